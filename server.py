"""Pages and the routes for programs on one server: `streamlit run server.py`, or what `rackwright serve` starts."""

from streamlit.starlette import App

from dashboard.api import ROUTES

app = App("app.py", routes=list(ROUTES))  # beside this file, in a checkout and in a wheel
