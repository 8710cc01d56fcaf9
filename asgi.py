"""The server's front door: the pages of `app.py` and the programs' interface, on one port."""

from pathlib import Path

from streamlit.starlette import App

from dashboard.api import routes

app = App(Path(__file__).with_name("app.py"), routes=routes())
