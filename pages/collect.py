"""Collect: bring pictures in, read the report, keep the classes in order."""

import streamlit as st

from imgtag.core.words import count
from imgtag.data.dataset import look
from imgtag.data.uploads import import_key, import_upload, import_waiting, last_report
from imgtag.ui import charts
from imgtag.ui.classes import add_class_form, class_table
from imgtag.ui.errors import show_error, shown_errors
from imgtag.ui.grid import upload_area
from imgtag.ui.health import health_area
from imgtag.ui.history import history_area
from imgtag.ui.navigation import go, link, require_project
from imgtag.ui.report import show_report
from imgtag.ui.sources import more_ways_in
from imgtag.ui.splits import splits_area
from imgtag.ui.suggestions import offer_names, offer_to_sort
from imgtag.ui.take_out import export_area
from imgtag.ui.trash import trash_area
from imgtag.ui.waiting import get_ready, watch_job
from imgtag.ui.who import who
from imgtag.ui.widgets import empty_state, page_title, show_flash

project = require_project()
show_flash()
page_title(
    "Collect pictures",
    "Put pictures into folders named after what they show. Train, validation and test folders are understood.",
)


batch = upload_area(project, key=f"upload {project.name}")
if batch and st.session_state.get("imported") != batch:
    with shown_errors():
        import_upload(project, batch, who=who())
        st.session_state["imported"] = batch
more_ways_in(project, look(project))
job = import_waiting(project)
if job and not job.finished:
    with st.container(border=True):
        st.markdown("**Taking the pictures in**")
        watch_job(import_key(project), stop="Stop; what is in already stays")
else:
    if job and job.error:
        show_error(job.error)
    report = last_report(project)
    if report:
        show_report(project, report)

dataset = look(project)
if not dataset.pictures and not dataset.class_names:
    if job and not job.finished:
        st.stop()
    empty_state(
        "No pictures yet",
        "Ten pictures of each class are a start, fifty are better. Different backgrounds, sizes and light help most.",
        ":material/photo_library:",
    )
    add_class_form(project)
    trash_area(project)
    st.stop()

st.subheader("Classes", anchor=False)
with st.grid(3, min_column_width=110):
    st.metric("Pictures in classes", f"{len(dataset.labelled):,}", border=True)
    st.metric("Classes", f"{len(dataset.class_names):,}", border=True)
    st.metric("Unsorted", f"{len(dataset.unsorted):,}", border=True)
with st.container(horizontal=True):
    enough = sum(1 for n in dataset.counts.values() if n) >= 2
    if enough and st.button("Go on to training", type="primary", icon=":material/model_training:"):
        go("train")
    if dataset.unsorted:
        link("label", f"Sort {count(len(dataset.unsorted), 'picture')}")
if dataset.unsorted:
    offer_names(project, dataset)
    get_ready(project, dataset)
offer_to_sort(project, dataset)
if dataset.copies:
    st.warning(
        f"{count(len(dataset.copies), 'file')} in the folders repeat a picture byte for byte. They are counted once.",
        icon=":material/content_copy:",
    )
if dataset.class_names:
    charts.class_counts(dataset.counts, project.display_names(), key="class counts")
    class_table(project, dataset)
health_area(project, dataset)
splits_area(project, dataset)
export_area(project, dataset)
history_area(project)
add_class_form(project)
trash_area(project)
