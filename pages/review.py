"""Review: how good is it, on pictures it has not learnt from, and which pictures does it get wrong?"""

import streamlit as st

from imgtag.core.errors import NotFound
from imgtag.data.dataset import look
from imgtag.review.metrics import evaluate
from imgtag.training.runs import list_runs
from imgtag.ui.browsing import browsing_area
from imgtag.ui.comparison import against_the_one_before, comparison_area
from imgtag.ui.evaluation import headline, mend_bar, report_button
from imgtag.ui.learning import enough_area
from imgtag.ui.matrix import matrix_area
from imgtag.ui.navigation import link, require_project
from imgtag.ui.per_class import per_class_area
from imgtag.ui.runs import choose_run, say_refit
from imgtag.ui.several_views import several_views_area
from imgtag.ui.suspects import suspects_area
from imgtag.ui.trust import trust_area
from imgtag.ui.widgets import empty_state, page_title, show_flash

FIGURES, MISTAKES, LABELS, TRUST, COMPARISON = "Overview", "Mistakes", "Wrong labels?", "Trust", "Comparison"
PARTS = [FIGURES, MISTAKES, LABELS, TRUST, COMPARISON]
SPLITS = {"val": "Validation pictures", "test": "Test pictures"}

project = require_project()
show_flash()
page_title("Review", "How good is the model, and which pictures does it get wrong?")
dataset = look(project)
asked = st.session_state.pop("review part", None)
st.session_state.setdefault("part", PARTS[0])
if asked in PARTS:
    st.session_state["part"] = asked
part = st.pills("Part", PARTS, required=True, key="part", label_visibility="collapsed")
runs = [run for run in list_runs(project) if run.has_model]
if part == LABELS:
    if runs:
        mend_bar(runs[0], dataset)
    suspects_area(project, dataset)
    st.stop()

if not runs:
    empty_state(
        "No model yet",
        "Train first; then this page shows what the model gets right and wrong.",
        ":material/fact_check:",
    )
    link("train", "Train")
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    wanted = st.session_state.pop("review run", None)
    if wanted in {run.id for run in runs}:
        st.session_state["run"] = wanted
    run = choose_run(runs, key="run") if part != COMPARISON else runs[0]
    split = st.segmented_control(
        "Checked on", list(SPLITS), format_func=SPLITS.__getitem__, default="val", key="split", required=True
    )
if part == COMPARISON:
    comparison_area(runs, dataset, split)
    st.stop()
mend_bar(run, dataset)
names = {c: run.display_name(c) for c in run.classes}
try:
    found = evaluate(run, split)
except NotFound as nothing:
    st.info(f"{nothing.title} {nothing.explanation} {nothing.next_step}", icon=":material/info:")
    st.stop()

if part == FIGURES:
    headline(found, names, against_the_one_before(run, runs, split))
    if split == "val":
        say_refit(run)
    per_class_area(run, dataset, found, names, key=f"classes {run.id} {split}")
    several_views_area(run, split, names)
    enough_area(project, dataset)
    report_button(run)
    st.stop()

if part == TRUST:
    trust_area(run, dataset, found, names, key=f"trust {run.id} {split}")
    st.stop()

st.subheader("What is taken for what", anchor=False, help="The confusion matrix.")
st.caption(
    "Each row is a class, each column what the model said. Green is right, orange is wrong. "
    "Click a field, a total for a whole row or column, or a line of the list: the pictures stand below."
)
cell = matrix_area(found, names, key=f"matrix {run.id} {split}")
browsing_area(run, dataset, found, names, cell, key=f"{run.id} {split}")
