"""Entry script of a demo's server: the door, or the stage. There is no other page, no menu and no setting."""

from __future__ import annotations

import streamlit as st

from imgtag.serving.door import TICKET_S
from imgtag.serving.network import ROOT
from imgtag.ui.demo_app import current_show
from imgtag.ui.demo_parts import login_door, pin_door, stage

show = current_show()
st.set_page_config(page_title="Demo", page_icon=ROOT / "imgtag" / "ui" / "assets" / "icon.png", layout="wide")

if show.admits(st.context.cookies.to_dict()):
    stage()
elif show.asks == "pin":
    pin_door()
elif getattr(st.user, "is_logged_in", False):
    stage(show.door.make_pass(TICKET_S, "ticket"))
else:
    login_door()
