"""Classify: drop pictures or use the camera, and see what the model says."""

import streamlit as st

from imgtag.core.settings import limit
from imgtag.core.words import count
from imgtag.serving.tables import answers_csv
from imgtag.training.runs import list_runs
from imgtag.ui.answers import answer_card, answers_overview, classify_uploads
from imgtag.ui.navigation import link, require_project
from imgtag.ui.runs import choose_run
from imgtag.ui.widgets import empty_state, page_title, show_flash

PER_PAGE = 10

project = require_project()
show_flash()
page_title("Classify", "New pictures: what does the model see in them, and how sure is it?")
runs = [run for run in list_runs(project) if run.has_model]
if not runs:
    empty_state("No model yet", "Train first; then new pictures can be classified here.", ":material/image_search:")
    link("train", "Train")
    st.stop()

run = choose_run(runs, key="classify run") if len(runs) > 1 else runs[0]
way = st.segmented_control(
    "From", ["Files", "Camera"], default="Files", key="way", label_visibility="collapsed", required=True
)
if way == "Camera":
    photo = st.camera_input("Take a picture", key="camera")
    files = [photo] if photo else []
else:
    most = limit("max_picture_mb")
    files = st.file_uploader("Pictures to classify", accept_multiple_files=True, key="files", max_upload_size=most)

if not files:
    if way == "Files":
        empty_state(
            "Nothing to classify yet",
            "Drop one or many pictures above. They are only looked at, not added to your project.",
            ":material/image_search:",
        )
    st.stop()

several = st.toggle(
    "Look several times",
    help="Four views of each picture, also mirrored and larger, are averaged (test-time augmentation). It takes two to "
    "four times as long; Review shows whether it helps.",
)
answers = classify_uploads(run, files, "fixed" if several else "plain")
readable = [a for a in answers if not a.answer.error]
unreadable = [a for a in answers if a.answer.error]
trouble = f", {len(unreadable)} could not be read" if unreadable else ""
st.subheader(f"{count(len(readable), 'picture')} classified{trouble}", anchor=False)
if len(answers) > 1:
    answers_overview([a.answer for a in answers])
st.download_button(
    "Download the table (CSV)",
    answers_csv([a.answer for a in answers]).encode("utf-8-sig"),
    "classified.csv",
    "text/csv",
    icon=":material/download:",
)
pages = -(-len(answers) // PER_PAGE)
number = st.pagination(pages, key="answers page") if pages > 1 else 1
for position, shown in enumerate([*readable, *unreadable][(number - 1) * PER_PAGE : number * PER_PAGE]):
    answer_card(shown, key=f"bars {number} {position}")
