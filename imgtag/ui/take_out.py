"""Taking the data set out: a zip of train/valid/test folders for other programs."""

from __future__ import annotations

from urllib.parse import quote

import streamlit as st

from imgtag.core.words import count
from imgtag.data import history
from imgtag.data.background import Job, find_job, forget_job, start_job
from imgtag.data.dataset import Dataset
from imgtag.data.exporting import dataset_zip, export_dataset
from imgtag.data.projects import Project
from imgtag.ui.errors import show_error
from imgtag.ui.waiting import watch_job


def export_area(project: Project, dataset: Dataset) -> None:
    """Make the zip in the background, then offer it."""
    if not dataset.labelled:
        return
    with st.expander("Take the data set out", icon=":material/folder_zip:"):
        st.caption("A zip with train, valid and test folders, a folder for each class in them, and labels.csv.")
        name = f"export {project.path}"
        job = find_job(name)
        if job and not job.finished:
            watch_job(name)
            return
        if st.button("Make the zip", icon=":material/folder_zip:"):
            forget_job(name)
            start_job(name, "The export", lambda job: _export(project, job)).wait(0.5)
            st.rerun()
        if job and job.error:
            show_error(job.error)
        elif job and job.result and dataset_zip(project).is_file():
            number, size = job.result
            later = (
                "" if size == history.size(project) else " Pictures were changed since then: make it anew to have them."
            )
            st.success(f"{count(number, 'picture')} are in the zip.{later}", icon=":material/task_alt:")
            st.link_button(
                "Download the zip",
                f"/api/projects/{quote(project.name, safe='')}/export/dataset.zip",
                icon=":material/download:",
            )


def _export(project: Project, job: Job) -> tuple[int, int]:
    size = history.size(project)
    return export_dataset(project, dataset_zip(project), lambda n, of: job.report(n, of, "")), size
