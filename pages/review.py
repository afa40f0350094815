"""Review: how good is it, on pictures it has not learnt from, and which pictures does it get wrong?"""

import streamlit as st

from imgtag.core.errors import NotFound
from imgtag.review.metrics import evaluate
from imgtag.training.runs import list_runs
from imgtag.ui import charts
from imgtag.ui.evaluation import headline, per_class_table, prediction_grid
from imgtag.ui.navigation import link, require_project
from imgtag.ui.text import count, literal, moment, percent
from imgtag.ui.widgets import empty_state, page_title, show_flash

WORST = 24
SPLITS = {"val": "Validation pictures", "test": "Test pictures"}

project = require_project()
show_flash()
page_title("Review", "How good is the model, and which pictures does it get wrong?")
runs = {run.id: run for run in list_runs(project) if run.has_model}
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
    if wanted in runs:
        st.session_state["run"] = wanted
    id_ = st.selectbox(
        "Training",
        list(runs),
        format_func=lambda i: f"{moment(runs[i].created)}, accuracy {percent(runs[i].status.get('val_accuracy'))}",
        key="run",
    )
    split = st.segmented_control(
        "Checked on", list(SPLITS), format_func=SPLITS.__getitem__, default="val", key="split", required=True
    )
run = runs[id_]
names = {c: run.display_name(c) for c in run.classes}
try:
    found = evaluate(run, split)
except NotFound as nothing:
    st.info(f"{nothing.title} {nothing.explanation} {nothing.next_step}", icon=":material/info:")
    st.stop()

headline(found)

st.subheader("What is taken for what", anchor=False, help="The confusion matrix.")
st.caption(
    "Each row is a class, each column what the model said. Green is right, orange is wrong. Click a field to see its pictures."
)
left, right = st.columns([3, 2])
with left:
    cell = charts.confusion_chart(found, names, key=f"matrix {id_} {split}")
with right:
    if cell:
        label, predicted = cell
        inside = found.in_cell(label, predicted)
        kind = "rightly" if label == predicted else "wrongly"
        st.markdown(
            f"**{literal(names[label])}** {kind} called **{literal(names[predicted])}**: {count(len(inside), 'picture')}"
        )
        prediction_grid(run, inside[:60], names, key=f"cell {id_} {split}")
    else:
        st.info("Click a field of the matrix, and its pictures appear here.", icon=":material/touch_app:")

st.subheader(
    "The most surprising pictures",
    anchor=False,
    help="Top losses: where the model gave the label the lowest probability.",
)
st.caption("Often these are wrong labels or odd pictures: the best place to start mending.")
prediction_grid(run, found.top_losses(WORST), names, key=f"worst {id_} {split}")

st.subheader("Class by class", anchor=False, help="scikit-learn's classification report.")
per_class_table(found, names)
