"""Taking a model away as files, each form checked before it is offered, and taking one in from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import streamlit as st

from imgtag.data.background import Job, find_job, forget_job, start_job
from imgtag.data.projects import Project
from imgtag.serving.handing_out import Export, export_model, find_format, last_export
from imgtag.serving.importing_models import import_uploaded
from imgtag.training.runs import Run
from imgtag.ui.errors import show_error
from imgtag.ui.text import literal
from imgtag.ui.waiting import watch_job
from imgtag.ui.widgets import flash

_MOST_MB = 2000  # of a bundle; the upload is held in memory


@dataclass(frozen=True)
class _Choice:
    """A form of export in words for those who need one."""

    form: str
    title: str
    icon: str
    about: str


_CHOICES = (
    _Choice(
        "bundle",
        "To pass on, or to keep",
        ":material/inventory_2:",
        "The whole model with a small Python program that uses it, and a model card. Another imgtag can take it in.",
    ),
    _Choice(
        "onnx",
        "For your programmer",
        ":material/code:",
        "ONNX: one file for servers, phones and browsers, usable from nearly every language.",
    ),
    _Choice(
        "docker",
        "As a web service",
        ":material/dns:",
        "A folder with a ready service (REST) and a Dockerfile, for those who run servers.",
    ),
    _Choice(
        "openvino",
        "For small computers by Intel",
        ":material/memory:",
        "OpenVINO: the fastest on their processors, such as in a box beside a machine.",
    ),
    _Choice(
        "torchscript",
        "For PyTorch",
        ":material/local_fire_department:",
        "A program of torch.export (which has taken the place of TorchScript), for those who build on PyTorch.",
    ),
)


class _Stopped(Exception):
    """The user has ended it."""


def export_area(project: Project, run: Run) -> None:
    """A card for each form: make it, see what the check found, download it."""
    st.markdown(
        "Everything here works without imgtag. Before a file is offered, it is loaded again and asked about the "
        "validation pictures; if it does not say what the model here says, you do not get it."
    )
    name = f"export a model {project.path}"
    job = find_job(name)
    busy = job is not None and not job.finished
    if busy:
        with st.container(border=True):
            watch_job(name, stop="Stop")
    elif job and job.error:
        show_error(job.error)
    with st.grid(2, min_column_width=300):
        for choice in _CHOICES:
            with st.container(border=True, height="stretch"):
                _card(project, run, choice, name, busy=busy)


def _card(project: Project, run: Run, choice: _Choice, name: str, *, busy: bool) -> None:
    form = find_format(choice.form)
    st.markdown(f"{choice.icon} **{choice.title}**")
    st.caption(choice.about)
    made = last_export(run, form)
    if made:
        _verified(project, run, made)
    label = "Make it again" if made else "Make and check"
    kind: Literal["tertiary", "secondary"] = "tertiary" if made else "secondary"
    if st.button(label, key=f"make {run.id} {choice.form}", icon=":material/deployed_code:", disabled=busy, type=kind):
        forget_job(name)
        start_job(name, f"The export “{choice.title}”", lambda job: _make(run, choice.form, job)).wait(0.5)
        st.rerun()


def _verified(project: Project, run: Run, made: Export) -> None:
    st.success(literal(made.words), icon=":material/verified:")
    megabytes = made.path.stat().st_size / 1e6
    address = f"/api/projects/{quote(project.name, safe='')}/export/{quote(run.id, safe='')}/{made.form.name}.zip"
    st.link_button(f"Download ({megabytes:.0f} MB)", address, icon=":material/download:", type="primary")


def _make(run: Run, form: str, job: Job) -> None:
    try:
        export_model(run, find_format(form), _teller(job))
    except _Stopped:
        return


def _teller(job: Job) -> Callable[[int, int, str], None]:
    def tell(done: int, total: int, message: str) -> None:
        if job.should_stop():
            raise _Stopped
        job.report(done, total, message)

    return tell


def import_area(project: Project) -> None:
    """A bundle from another computer becomes a training of this project."""
    st.markdown(
        "A bundle that another imgtag has made becomes a training here: it classifies at once, and Review shows its "
        "figures. The pictures that it learnt from do not come along."
    )
    name = f"import a model {project.path}"
    job = find_job(name)
    if job and not job.finished:
        watch_job(name, stop="Stop")
        return
    if job:
        forget_job(name)
        if job.error:
            show_error(job.error)
        elif isinstance(job.result, Run):
            flash(f"The model is here, as the newest training: it tells {len(job.result.classes)} classes apart.")
            st.rerun()
    chosen = st.file_uploader("Bundle (zip)", type="zip", key=f"bundle {project.name}", max_upload_size=_MOST_MB)
    if chosen and st.button("Take it in", icon=":material/login:", type="primary"):
        data, called = chosen.getvalue(), chosen.name
        start_job(name, "The import of the model", lambda job: _take(project, data, called, job)).wait(0.5)
        st.rerun()


def _take(project: Project, data: bytes, called: str, job: Job) -> Run | None:
    try:
        return import_uploaded(project, data, called, _teller(job))
    except _Stopped:
        return None
