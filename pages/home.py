"""Projects: create, open, rename, duplicate, trash and restore; samples for those who have no pictures yet."""

import streamlit as st

from imgtag.data.background import Job, find_job, forget_job
from imgtag.data.projects import create_project, list_projects, made_moments_ago, trashed_projects
from imgtag.data.samples import DOWNLOADS, start_digits, start_download
from imgtag.ui.cards import project_card, trashed_card
from imgtag.ui.errors import show_error, shown_errors
from imgtag.ui.navigation import go, open_project
from imgtag.ui.widgets import flash, job_progress, page_title, show_flash

SAMPLE_JOBS = ("sample digits", "sample download")

show_flash()
projects = list_projects()

if projects:
    page_title("Your projects", "A project holds pictures, their classes, and the models trained on them.")
else:
    st.title("Welcome to imgtag", anchor=False)
    st.markdown(
        "Teach your computer to tell pictures apart, without programming. **It works in five steps:**\n\n"
        "1. **Collect** pictures, best in one folder for each class, such as *cats* and *dogs*.\n"
        "2. **Label** those that are not sorted yet.\n"
        "3. **Train**: one button; usually done in seconds to minutes, on this computer.\n"
        "4. **Review** what it gets wrong, and which pictures these are.\n"
        "5. **Classify** new pictures and show the result to others.\n\n"
        "Nothing leaves this computer. Start with a sample to see how it goes, or with your own pictures."
    )


def create() -> None:
    """Make the project named in the form and open it."""
    name = st.session_state["new-name"]
    if not name.strip():
        return
    with shown_errors():
        # The second click of a double click cuts the first one short: it finds the project made and opens it.
        project = made_moments_ago(name) or create_project(name)
        open_project(project.name)
        st.session_state["created"] = True


def sample_area() -> None:
    """Samples, or the progress of the one that is being made."""
    for key in SAMPLE_JOBS:
        job = find_job(key)
        if job and not job.finished:
            st.fragment(lambda job=job, key=key: watch(job, key), run_every=0.5)()
            return
        if job and job.error:
            show_error(job.error)
            forget_job(key)
        elif job:
            forget_job(key)
            open_project(job.result)
            flash("The sample is ready.")
            go("collect")
    if st.button("Try it with handwritten digits", icon=":material/draw:", width="stretch"):
        start_digits()
        st.rerun()
    st.caption("600 small pictures, no connection needed.")
    with st.expander("More samples (to be downloaded)"):
        for sample in DOWNLOADS:
            if st.button(f"{sample.title}, {sample.megabytes} MB", key=sample.key, width="stretch"):
                start_download(sample)
                st.rerun()
            st.caption(sample.about)


def watch(job: Job, key: str) -> None:
    """Progress of a sample, with a stop."""
    if job.finished:
        st.rerun()
    st.markdown(f"**{job.title}**")
    job_progress(job)
    if st.button("Stop", key=f"stop {key}"):
        job.stop()


left, right = st.columns(2, border=True)
with left:
    st.subheader("Start with your own pictures", anchor=False)
    with st.form("new", border=False):
        st.text_input(
            "Name of the project", key="new-name", placeholder="for example: Boats in our harbour", max_chars=60
        )
        st.form_submit_button("Create project", type="primary", icon=":material/add:", on_click=create)
with right:
    st.subheader("Try it with a sample", anchor=False)
    sample_area()
if st.session_state.pop("created", False):
    go("collect")

if projects:
    st.space("small")
    with st.grid("auto", min_column_width=290):
        for project in projects:
            project_card(project)

trashed = trashed_projects()
if trashed:
    with st.expander(f"Trash ({len(trashed)})", icon=":material/delete:"):
        for project in trashed:
            trashed_card(project)
