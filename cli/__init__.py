"""The command line `rackwright`: files in, files out. One module a command; `cli.main` finds it and loads nothing else.

A command's module has `register(commands)`, which adds its parser and sets `run`, from parsed arguments to an exit code:

    def register(commands: Commands) -> None:
        parser = commands.add_parser("link", description="Print the link of each request.")
        parser.set_defaults(run=run)

Exit codes: 0 done; 1 done, and the answer is no (nothing fits, a check failed); 2 the input is at fault; 130 interrupted.
Whatever a user gave that is wrong is raised as `RackwrightError`; `cli.main` prints one sentence a fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import argparse

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
