"""Classify: new pictures from anywhere, or the camera live, and what the model says about them."""

import streamlit as st

from imgtag.core.words import count
from imgtag.training.runs import list_runs
from imgtag.ui.answers import answers_area
from imgtag.ui.answers_out import ways_out
from imgtag.ui.correcting import joining_area
from imgtag.ui.incoming import asked, clear, current_pile, ways_in
from imgtag.ui.live import await_news
from imgtag.ui.navigation import link, require_project
from imgtag.ui.runs import choose_run
from imgtag.ui.widgets import empty_state, page_title, show_flash

project = require_project()
show_flash()
page_title("Classify", "New pictures: what does the model see in them, and how sure is it?")
runs = [run for run in list_runs(project) if run.has_model]
if not runs:
    empty_state("No model yet", "Train first; then new pictures can be classified here.", ":material/image_search:")
    link("train", "Train")
    await_news(project)  # a training may be about to end
    st.stop()

run = choose_run(runs, key="classify run") if len(runs) > 1 else runs[0]
pile = current_pile(project)
way = ways_in(project, run, pile)
joining_area(project, runs[0])
if pile is None:
    st.stop()

answers = asked(pile, run, way)
unreadable = sum(bool(a.answer.error) for a in answers)
trouble = f", {unreadable:,} could not be read" if unreadable else ""
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    words = f"{count(len(answers) - unreadable, 'picture')} classified{trouble}" if answers else " "
    st.subheader(words, anchor=False)
    if st.button(
        "Clear",
        icon=":material/close:",
        key="classify clear",
        help="Forgets these pictures; after two days that happens by itself.",
    ):
        clear(project, pile)
        st.rerun()
if pile.passed_over:
    st.caption(f"{count(pile.passed_over, 'hidden or helper file')} of an operating system passed over.")
if answers:
    ways_out(pile, answers_area(pile, run, answers))
