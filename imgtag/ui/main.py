"""Entry script of the screens: runs before every page, in every window."""

from __future__ import annotations

import streamlit as st

from imgtag.ui.live import look_elsewhere
from imgtag.ui.navigation import ROOT, current_project, make_pages, remember_project
from imgtag.ui.widgets import close_menu_on_phones, sidebar_project

ASSETS = ROOT / "imgtag" / "ui" / "assets"

st.set_page_config(page_title="imgtag", page_icon=ASSETS / "icon.png", layout="wide", initial_sidebar_state="auto")
st.logo(ASSETS / "logo.svg", size="large", icon_image=ASSETS / "mark.svg")
remember_project()
page = st.navigation(list(make_pages().values()), position="sidebar")
close_menu_on_phones(page.url_path)
sidebar_project(current_project())
if page.url_path != "train":
    look_elsewhere()
page.run()
