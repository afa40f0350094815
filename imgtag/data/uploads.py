"""Browser uploads on their way into a project, and the report that the page shows afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from imgtag.core import storage
from imgtag.core.errors import Conflict, NoAccess, NotFound
from imgtag.data.background import Job, find_job, start_job
from imgtag.data.importing import Progress, Report, Skipped, import_files, name_staged
from imgtag.data.label_files import LabelFile
from imgtag.data.projects import Project
from imgtag.data.sources import open_sources, open_staged

_READY = "ready.json"


def import_upload(project: Project, batch: str, *, into: str = "", who: str = "") -> Job:
    """Hand in an upload that has arrived whole; returns the import that is running then: this one, or one before it.

    into, who: see `import_files`. Raises NotFound when the upload is gone, for instance after a restart of the server.
    """
    if not (len(batch) == 32 and all(c in "0123456789abcdef" for c in batch)):
        raise _gone()
    folder = project.staging / batch
    if not folder.is_dir():
        raise _gone()
    storage.write_json(folder / _READY, {"into": into, "who": who}, durable=False)
    job = import_waiting(project)
    if job is None:  # another window was quicker and it is through
        raise _gone()
    return job


def import_waiting(project: Project) -> Job | None:
    """Start the import that was handed in first, unless one is running; returns the running or last one.

    They wait on the disk: several people, or bursts of a webcam, may hand them in while one is being imported. The end
    of one starts the next: no page has to be open for it.
    """
    running = import_job(project)
    if running and not running.finished:
        return running
    waiting = sorted(project.staging.glob(f"*/{_READY}"), key=_handed_in)
    if not waiting:
        return running
    folder, found = waiting[0].parent, storage.read_json(waiting[0])
    order: dict[str, Any] = found if isinstance(found, dict) else {}
    into, who = (str(order.get(key, "")) for key in ("into", "who"))
    path = Path(order["path"]) if order.get("path") else None

    def work(job: Job) -> Report:
        try:
            with open_sources([path]) if path else open_staged(folder) as groups:
                report = import_files(
                    project,
                    groups,
                    path.name if path else name_staged(folder),
                    _teller(job),
                    job.should_stop,
                    link=bool(order.get("link")),
                    into=into,
                    who=who,
                )
        finally:
            storage.remove_folder(folder)
        save_report(project, report)
        return report

    def go_on() -> None:
        if not waiting[0].exists():  # a folder that cannot be removed would be imported for ever
            import_waiting(project)

    return start_job(import_key(project), "The import", work, then=go_on)


def _handed_in(ready: Path) -> float:
    try:
        return ready.stat().st_mtime
    except OSError:  # taken by another window meanwhile
        return 0.0


def import_from_disk(project: Project, path: Path, *, link: bool, who: str = "") -> Job:
    """Import a folder, zip or file of this machine in its turn; see `import_files`. Returns the import that runs."""
    try:
        path = path.expanduser()
        there = path.is_absolute() and path.exists()
    except (OSError, RuntimeError) as error:
        raise NoAccess("This path cannot be read.", str(error), "Choose another one, or allow it.") from error
    if not there:
        raise NotFound("There is nothing at this path.", f"“{path}” was looked for.", "Give the whole path, from / on.")
    own, real = project.path.resolve(), path.resolve()
    if real == own or real in own.parents or own in real.parents:
        raise Conflict("This is a folder of the project itself.", "", "Choose the folder in which your pictures are.")

    order = {"path": str(path), "link": link, "who": who}
    storage.write_json(project.staging / uuid.uuid4().hex / _READY, order, durable=False)
    job = import_waiting(project)
    if job is None:  # another window was quicker and it is through
        raise _gone()
    return job


def _teller(job: Job) -> Callable[[Progress], None]:
    return lambda p: job.report(p.done, p.total, p.file)


def import_job(project: Project) -> Job | None:
    """The import of a project that is running or has just ended."""
    return find_job(import_key(project))


def import_key(project: Project) -> str:
    """Under which name a project's import is known among the background jobs."""
    return f"import {project.path}"


def save_report(project: Project, report: Report) -> None:
    """Keep the last import's report, so that a reload of the page does not lose it."""
    storage.write_json(_report_path(project), asdict(report), durable=False)


def last_report(project: Project) -> Report | None:
    """The report of the last import, until it is dismissed."""
    found = storage.read_json(_report_path(project))
    if not isinstance(found, dict):
        return None
    try:
        return Report(
            added=found["added"],
            unsorted=found["unsorted"],
            skipped=[Skipped(**s) for s in found["skipped"]],
            notes=found["notes"],
            remarks=found["remarks"],
            label_files=[LabelFile(**f) for f in found["label_files"]],
            classes=found["classes"],
            stopped=found["stopped"],
        )
    except (KeyError, TypeError):
        return None


def dismiss_report(project: Project) -> None:
    """Forget the last report."""
    storage.remove_file(_report_path(project))


def drop_label_files(project: Project) -> None:
    """The names found in the last import were used or declined: do not offer them again."""
    report = last_report(project)
    if report:
        report.label_files = []
        save_report(project, report)


def report_csv(report: Report) -> str:
    """The files that were not taken, as a table for a spreadsheet."""
    return storage.csv_text(("file", "reason"), [asdict(s) for s in report.skipped])


def _report_path(project: Project) -> Path:
    return project.cache / "last_import.json"


def _gone() -> NotFound:
    return NotFound(
        "The upload is no longer there.",
        "It was imported already, or the server was restarted.",
        "Add the files again; what is in already is not taken twice.",
    )
