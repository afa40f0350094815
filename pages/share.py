"""Share: show the model to others, take it away as files, or let programs ask it."""

import streamlit as st

from imgtag.training.runs import list_runs
from imgtag.ui.export_area import export_area, import_area
from imgtag.ui.navigation import link, require_project
from imgtag.ui.runs import choose_run
from imgtag.ui.share_demo import demo_area
from imgtag.ui.share_programs import program_area
from imgtag.ui.widgets import empty_state, page_title, show_flash

SHOW, FILES, PROGRAMS, IMPORT = "Show it", "Take it away", "Ask it from programs", "Take one in"
PARTS = (SHOW, FILES, PROGRAMS, IMPORT)

project = require_project()
show_flash()
page_title(
    "Share",
    "Show it to others, or let programs ask it. Of your pictures, others see only the examples that you choose.",
)
part = st.segmented_control("Part", PARTS, default=SHOW, key="share part", label_visibility="collapsed", required=True)
if part == IMPORT:
    import_area(project)
    st.stop()

runs = [run for run in list_runs(project) if run.has_model]
if not runs:
    empty_state("No model yet", "Train first; then the model can be shown to others.", ":material/cast:")
    link("train", "Train")
    st.stop()

run = choose_run(runs, key="share run") if len(runs) > 1 else runs[0]
if part == SHOW:
    demo_area(project, run)
elif part == FILES:
    export_area(project, run)
else:
    program_area(project, run)
