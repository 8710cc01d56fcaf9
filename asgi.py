"""The server's front door: the pages of `app.py` and the programs' interface, on one port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from streamlit.starlette import App

from dashboard.api import Desk, routes
from dashboard.warming import start_warming

desk = Desk()


@asynccontextmanager
async def lifespan(_: App) -> AsyncIterator[dict[str, object]]:
    """From the moment the server listens until it is asked to end."""
    start_warming()
    yield {}
    desk.close()


app = App(Path(__file__).with_name("app.py"), routes=routes(desk), lifespan=lifespan)
