"""The entry point: finds the command, loads its module alone, turns every fault into one sentence.

A command is a module of this package with `register(commands)`, which adds its parser and sets `run`, a function from
the parsed arguments to an exit code:

    def register(commands: Commands) -> None:
        parser = commands.add_parser("link", help=COMMANDS["link"])
        parser.set_defaults(run=run)

Exit codes: 0 done; 1 done, and the answer is no (nothing fits, a check failed); 2 the input is at fault; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from facts.errors import RackwrightError
from facts.version import VERSION

if TYPE_CHECKING:
    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

COMMANDS = {
    "plan": "answer requests: which cluster, at which cost, limited by what",
    "link": "print the link of a request",
    "serve": "open the dashboard in a browser",
    "catalog": "list, show and check the hardware catalog",
    "model": "list and show models, count what they need",
    "bill": "compare a bill of materials with a quote",
    "validate": "compare predictions with measured runs",
    "calibrate": "fit the efficiency parameters to measured runs",
}
LANGUAGES = ("en", "zh")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command named in `arguments` (those of the process by default) and return its exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    parsed = _parser(words).parse_args(words)
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except RackwrightError as error:
        _report(error, parsed.lang)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing more to say, nothing to fail on exit
        return 0
    except KeyboardInterrupt:
        return 130
    return code


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command in `words` alone, or of all commands by name where none is named."""
    parser = argparse.ArgumentParser(
        prog="rackwright", description="Plan hardware for AI models: accelerators, wiring, cost, power, carbon."
    )
    parser.add_argument("--version", action="version", version=f"rackwright {VERSION}")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of answers and messages (default: en)")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    named = next((word for word in words if word in COMMANDS), None)
    if named is not None:
        importlib.import_module(f"cli.{named}").register(commands)
    else:
        for command, summary in COMMANDS.items():
            commands.add_parser(command, help=summary)
    return parser


def _report(error: RackwrightError, language: str) -> None:
    from texts.sentences import sentence  # noqa: PLC0415 only a faulty run pays for it

    for fault in error.faults:
        print(f"rackwright: {sentence(fault, language)}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
