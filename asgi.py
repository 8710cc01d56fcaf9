"""The server's front door: the pages of `app.py` and the programs' interface, on one port."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType

from streamlit.starlette import App

from dashboard.api import Desk, routes
from dashboard.warming import start_warming

desk = Desk()


@asynccontextmanager
async def lifespan(_: App) -> AsyncIterator[dict[str, object]]:
    """From the moment the server listens until it has ended."""
    if current_thread() is main_thread():  # where a signal may be handled
        before_signals(desk.close)
    start_warming()
    yield {}


def before_signals(close: Callable[[], None]) -> None:
    """Call `close` when the process is asked to end. The server then waits for its connections, so their plans have to end first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        following = signal.getsignal(number)

        def handle(signum: int, frame: FrameType | None, following: object = following) -> None:
            close()
            if callable(following):
                following(signum, frame)

        signal.signal(number, handle)


app = App(Path(__file__).with_name("app.py"), routes=routes(desk), lifespan=lifespan)
