"""The dashboard's front door: page set-up and navigation, nothing else."""

import streamlit as st

from dashboard import session
from dashboard.failure import show_failure
from dashboard.language import language, language_choice, say, speaking
from dashboard.navigation import ICON, PAGES, PLAN_PAGE

st.set_page_config(page_title="Rackwright", page_icon=str(ICON), layout="wide")
session.start(st.query_params.to_dict(), st.query_params.get_all("with"))
with speaking(language()):
    pages = [st.Page(page.source, title=say(page.title), url_path=page.path, default=page is PLAN_PAGE) for page in PAGES]
    shown = st.navigation(pages, position="top")
    try:
        shown.run()
        with st.sidebar:
            language_choice()
    except Exception:
        show_failure()
