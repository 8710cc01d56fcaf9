"""`rackwright serve`: starts the server of the dashboard and of the programs' interface with the packaged app."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

import dashboard
from cli import Commands

_ROOM = Path(*dashboard.__path__)
_APPS = (_ROOM / "asgi.py", _ROOM.parent / "asgi.py")  # of an installed wheel, of a checkout


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("serve", description="Start the dashboard; stop it with Ctrl-C.")
    parser.add_argument("--port", type=int, default=8501, help="default: 8501")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine alone)")
    parser.add_argument("--headless", action="store_true", help="do not open a browser")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the server in this process until it is stopped. Its settings are in `.streamlit/config.toml` beside the app."""
    from click import Abort  # noqa: PLC0415 comes with the next
    from streamlit.web.cli import main as streamlit  # noqa: PLC0415 takes half a second; --help need not wait

    app = next(path for path in _APPS if path.exists())
    options = {
        "server.port": arguments.port,
        "server.address": arguments.address,
        "server.headless": str(arguments.headless).lower(),
        "server.showEmailPrompt": "false",
    }
    print(f"Rackwright: http://{arguments.address}:{arguments.port}", flush=True)
    with suppress(Abort):  # Ctrl-C is how it is meant to end
        streamlit(["run", str(app), *(f"--{name}={value}" for name, value in options.items())], standalone_mode=False)
    return 0
