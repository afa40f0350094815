"""Train: one button, and a look at what is going on while it works."""

import streamlit as st

from imgtag.data.dataset import look
from imgtag.training.jobs import active_run, resume_training, start_training
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import concerns, list_runs
from imgtag.ui.errors import shown_errors
from imgtag.ui.navigation import link, require_project
from imgtag.ui.runs import await_news, live_run, run_outcome, runs_table
from imgtag.ui.text import count
from imgtag.ui.widgets import empty_state, page_title, show_flash

project = require_project()
show_flash()
page_title("Train", "The computer looks at your pictures and learns to tell the classes apart.")
dataset = look(project)
running = active_run(project)
runs = list_runs(project)
latest = runs[0] if runs else None

if not dataset.pictures and not runs:
    empty_state(
        "Nothing to learn from yet",
        "Add pictures of at least two classes; ten of each are a start.",
        ":material/model_training:",
    )
    link("collect", "Collect pictures")
    st.stop()

if running:
    live_run(running)
else:
    await_news(project)
    worries = concerns(dataset)
    blocked = any(w.blocking for w in worries)
    with st.container(border=True):
        filled = sum(1 for n in dataset.counts.values() if n)
        empty = len(dataset.class_names) - filled
        left_out = f" {count(empty, 'empty class is', 'empty classes are')} left out." if empty else ""
        st.markdown(
            f"**{count(len(dataset.labelled), 'picture')}** in **{count(filled, 'class', 'classes')}** are ready."
            + left_out
        )
        own = project.settings.get("splits") == "imported"
        kept_back = (
            "Your validation and test pictures check the result."
            if own
            else "Of every ten pictures, two are kept back to check the result and one to test it at the end."
        )
        st.caption(
            "Quick training: every picture is looked at once by a network that already knows a million photographs "
            f"(frozen pretrained backbone), then the differences between your classes are learnt on top. {kept_back}"
        )
        label = "Train again" if any(r.has_model for r in runs) else "Train"
        if st.button(label, type="primary", icon=":material/play_arrow:", disabled=blocked, key="train"):
            with shown_errors():
                start_training(project, make_recipe("quick"))
                st.rerun()
    for worry in worries:
        show = st.error if worry.blocking else st.info if worry.hint else st.warning
        show(f"**{worry.title}**  \n{worry.explanation}  \n{worry.remedy}", icon=":material/info:")
    if blocked:
        link("label" if dataset.unsorted else "collect", "Sort pictures" if dataset.unsorted else "Collect pictures")

if latest and not running:
    run_outcome(latest)
    if latest.state == "interrupted" and st.button("Go on where it stopped", icon=":material/resume:"):
        with shown_errors():
            resume_training(latest)
            st.rerun()
if runs and not running:
    st.subheader("All trainings", anchor=False)
    runs_table(runs)
