"""The entry point: finds the command, loads its module alone, turns every fault into one sentence."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from facts.errors import RackwrightError
from facts.version import VERSION
from texts.translations import LANGUAGES, Language

COMMANDS = {
    "plan": "answer requests: which cluster, at which cost, limited by what",
    "report": "write a plan as HTML to read and print",
    "frontier": "write every configuration of the shortlist as CSV or Parquet",
    "link": "print the link of a request",
    "serve": "open the dashboard in a browser",
    "catalog": "list, show and check the hardware catalog",
    "model": "list and show models, count what they need",
    "bill": "compare a bill of materials with a quote",
    "reverse": "what runs on these accelerators; the largest model that a budget trains",
    "validate": "compare predictions with measured runs",
    "calibrate": "fit the efficiency parameters to measured runs",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command named in `arguments` (those of the process by default) and return its exit code."""
    chosen = parsed(sys.argv[1:] if arguments is None else arguments)
    try:
        code: int = chosen.run(chosen)
        sys.stdout.flush()
    except RackwrightError as error:
        _report(error, chosen.lang)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing more to say, nothing to fail on exit
        return 0
    except KeyboardInterrupt:
        return 130
    return code


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The command's arguments; `--lang` may stand anywhere. Only the module of the command that is named is loaded."""
    common = argparse.ArgumentParser(prog="rackwright", add_help=False, allow_abbrev=False)
    common.add_argument("--lang", choices=LANGUAGES, default="en", help="language of answers and messages (default: en)")
    settings, words = common.parse_known_args(words)

    description = "Plan hardware for AI models: accelerators, wiring, cost, power, carbon."
    parser = argparse.ArgumentParser(prog="rackwright", description=description, parents=[common])
    parser.add_argument("--version", action="version", version=f"rackwright {VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    named = next((word for word in words if word in COMMANDS), None)
    if named is None:
        for command, summary in COMMANDS.items():
            commands.add_parser(command, help=summary)
    else:
        importlib.import_module(f"cli.{named}").register(commands)
    return parser.parse_args(words, settings)


def _report(error: RackwrightError, language: Language) -> None:
    from texts.sentences import sentence  # noqa: PLC0415 only a faulty run pays for it

    for fault in error.faults:
        print(f"rackwright: {sentence(fault, language)}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
