"""Browser uploads on their way into a project, and the report that the page shows afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from imgtag.core import storage
from imgtag.core.errors import Conflict, NotFound
from imgtag.data.background import Job, find_job, start_job
from imgtag.data.importing import Progress, Report, Skipped, import_files, name_staged
from imgtag.data.label_files import LabelFile
from imgtag.data.projects import Project
from imgtag.data.sources import open_sources, open_staged


def import_upload(project: Project, batch: str, *, into: str = "", who: str = "") -> Job:
    """Start importing an upload that has arrived whole; returns the job that does it.

    into, who: see `import_files`. Raises NotFound when the upload is gone, for instance after a restart of the
    server, and Conflict while another import of the project is running.
    """
    if not (len(batch) == 32 and all(c in "0123456789abcdef" for c in batch)):
        raise _gone()
    folder = project.staging / batch
    if not folder.is_dir():
        raise _gone()
    _require_idle(project)

    def work(job: Job) -> Report:
        try:
            with open_staged(folder) as groups:
                report = import_files(
                    project, groups, name_staged(folder), _teller(job), job.should_stop, into=into, who=who
                )
        finally:
            storage.remove_folder(folder)
        save_report(project, report)
        return report

    return start_job(import_key(project), "The import", work)


def import_from_disk(project: Project, path: Path, *, link: bool, who: str = "") -> Job:
    """Start importing a folder, zip or file of this machine; see `import_files`. Raises like `import_upload`."""
    _require_idle(project)
    path = path.expanduser()
    if not path.is_absolute() or not path.exists():
        raise NotFound("There is nothing at this path.", f"“{path}” was looked for.", "Give the whole path, from / on.")
    if path.resolve() in (project.path.resolve(), *project.path.resolve().parents):
        raise Conflict("This folder holds the project itself.", "", "Choose the folder in which your pictures are.")

    def work(job: Job) -> Report:
        with open_sources([path]) as groups:
            report = import_files(project, groups, path.name, _teller(job), job.should_stop, link=link, who=who)
        save_report(project, report)
        return report

    return start_job(import_key(project), "The import", work)


def _teller(job: Job) -> Callable[[Progress], None]:
    return lambda p: job.report(p.done, p.total, p.file)


def _require_idle(project: Project) -> None:
    running = import_job(project)
    if running and not running.finished:
        raise Conflict(
            "Another import of this project is running.",
            "It was started in another window, and one import at a time is made.",
            "Wait until it has ended, then add the files again.",
        )


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
