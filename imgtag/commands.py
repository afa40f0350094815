"""What each verb of the command line does: words for people, and one JSON value for scripts.

Raises ImgtagError when something is refused.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgtag.core import storage
from imgtag.core.errors import BadName, ImgtagError, NotFound
from imgtag.data.projects import Project, create_at, create_project, find_project

if TYPE_CHECKING:
    from imgtag.training.runs import Run

Result = dict[str, Any] | list[dict[str, Any]]
Command = Callable[[argparse.Namespace], Result]


def new_project(options: argparse.Namespace) -> Result:
    """Make an empty project."""
    project = _create(options.project)
    _say(options, f"Created {project.path}")
    return {"project": project.name, "path": str(project.path)}


def import_pictures(options: argparse.Namespace) -> Result:
    """Add pictures from folders, zips or files."""
    from imgtag.data.importing import Progress, import_files
    from imgtag.data.sources import open_sources

    with open_sources([Path(s) for s in options.source]) as groups:
        try:
            project = find_project(options.project)
        except NotFound:
            project = _create(options.project)
        names = ", ".join(Path(s).name for s in options.source)

        def show(progress: Progress) -> None:
            if progress.done % 50 == 0:
                _say(options, f"{progress.done} of {progress.total}  {progress.file}")

        report = import_files(project, groups, names, show)
    for note in report.notes:
        _say(options, note)
    for labels in report.label_files:
        project.set_display_names(labels.names)
        _say(options, f"Names for {len(labels.names)} classes were taken from {labels.file} ({labels.best}).")
    for skipped in report.skipped:
        _say(options, f"not taken: {skipped.file}: {skipped.reason}")
    _say(options, f"Added {report.added} pictures ({report.unsorted} unsorted), {len(report.skipped)} not taken.")
    return {
        "added": report.added,
        "skipped": [{"file": s.file, "reason": s.reason} for s in report.skipped],
        "classes": report.classes,
    }


def train(options: argparse.Namespace) -> Result:
    """Train a model, and wait for it."""
    from imgtag.training.jobs import resume_training, start_training, wait_for
    from imgtag.training.recipes import make_recipe
    from imgtag.training.runs import Run, create_run, find_run

    project = find_project(options.project)
    if options.resume:
        run = resume_training(find_run(project, options.resume))
    elif options.prepare:
        run = create_run(project, make_recipe(options.preset, options.set))
        _say(options, f"Prepared {run.path}\nStart it with: torchrun ... -m imgtag.training.worker {run.path}")
        return _train_result(run)
    else:
        run = start_training(project, make_recipe(options.preset, options.set))
    if options.no_wait:
        _say(options, f"Started {run.id}")
        return _train_result(run)
    last = ""
    while (now := Run(run.path)).active:
        message = str(now.status.get("message", ""))
        if message != last:
            _say(options, message)
            last = message
        time.sleep(0.1)
    run = wait_for(run)
    if run.state == "failed":
        raise ImgtagError(**run.status["error"])
    if run.state == "interrupted":
        raise ImgtagError("The training was interrupted.", "The trainer died before it finished.", "Start it again.")
    accuracy = run.status.get("val_accuracy")
    known = "no validation pictures" if accuracy is None else f"validation accuracy {accuracy:.1%}"
    _say(options, f"{run.state} after {run.status['seconds']} s, {known}. {run.status.get('message', '')}")
    return _train_result(run)


def _train_result(run: Any) -> Result:
    keys = ("seconds", "best_epoch", "val_accuracy", "val_loss")
    return {"run": run.id, "state": run.state, **{k: run.status.get(k) for k in keys}}


def list_backbones(options: argparse.Namespace) -> Result:
    """The pretrained networks to choose from."""
    from imgtag.training.backbones import BACKBONES
    from imgtag.training.weights import availability

    found = []
    for row in BACKBONES.values():
        where = availability(row)
        _say(options, f"{row.name:22} {row.title:22} {row.megabytes:5.0f} MB  {row.speed:9}  {where:9} {row.licence}")
        facts = {"title": row.title, "family": row.family, "megabytes": row.megabytes, "speed": row.speed}
        found.append({"name": row.name, **facts, "weights": where, "licence": row.licence, "source": row.source})
    _say(options, "and every network of timm as timm:<name>")
    return found


def evaluate_run(options: argparse.Namespace) -> Result:
    """Figures on pictures that the model has not seen."""
    from imgtag.review.metrics import evaluate
    from imgtag.training.runs import find_run

    run = find_run(find_project(options.project), options.run)
    found = evaluate(run, options.split)
    low, high = found.interval
    _say(options, f"{found.right} of {found.n} right: {found.accuracy:.1%} (95 % sure: {low:.1%} to {high:.1%})")
    for f in found.per_class:
        _say(options, f"{f.label:30} precision {f.precision:.3f}  recall {f.recall:.3f}  F1 {f.f1:.3f}  n {f.support}")
    return {**found.as_dict(), **({"tta": _several_views(options, run)} if options.tta else {})}


def _several_views(options: argparse.Namespace, run: Run) -> list[dict[str, Any]]:
    """Test-time augmentation against the usual way, on the pictures that are still there."""
    from imgtag.serving.tta import compare_ways

    said = []
    for asked in compare_ways(run, options.split):
        _say(options, f"{asked.way:8} {asked.right} of {asked.n} right, {asked.seconds:.1f} s")
        per_class = [{"class": name, "right": right, "n": n} for name, (right, n) in asked.by_class.items()]
        said.append(
            {
                "way": asked.way,
                "n": asked.n,
                "accuracy": round(asked.right / asked.n, 5),
                "seconds": round(asked.seconds, 3),
                "chance": round(asked.chance, 5),
                "per_class": per_class,
            }
        )
    return said


def classify_files(options: argparse.Namespace) -> Result:
    """Tag pictures."""
    from imgtag.serving.predictor import load_predictor
    from imgtag.training.runs import find_run

    predictor = load_predictor(find_run(find_project(options.project), options.run))
    top = max(1, options.top)
    files = ((file, Path(file)) for file in options.file)
    answers = predictor.classify(files, top, "fixed" if options.tta else "plain")
    for answer in answers:
        tags = ", ".join(f"{t.display} {t.probability:.1%}" for t in answer.tags) + " (unknown)" * bool(answer.unknown)
        _say(options, f"{answer.file}: {answer.error or tags}")
    if options.csv:
        from imgtag.serving.tables import answers_csv

        table = answers_csv(answers, top).encode("utf-8-sig", "backslashreplace")
        storage.atomic_write(Path(options.csv).absolute(), table)
        _say(options, f"Written: {options.csv}")
    return [answer.as_dict() for answer in answers]


def check_pictures(options: argparse.Namespace) -> Result:
    """Integrity and health of the data."""
    from imgtag.data import edits, leaks
    from imgtag.data.dataset import look
    from imgtag.data.health import check

    project = find_project(options.project)
    dataset = look(project)
    found = check(dataset)
    for line in found.in_words():
        _say(options, line)
    answer = found.as_dict(dataset)
    if options.fix:
        fixed = {
            "copies": edits.trash_copies(project).moved,
            "unreadable": edits.trash_pictures(project, [p.id for p in found.unreadable]).moved,
            "leaks": leaks.close_leaks(project, dataset.labelled, [[p.id for p in group] for group in found.near]),
        }
        _say(options, f"To the trash: {fixed['copies']} copies, {fixed['unreadable']} unreadable files.")
        _say(options, f"Put on the side of their twins: {fixed['leaks']} pictures.")
        answer["fixed"] = fixed
    return answer


def export_project(options: argparse.Namespace) -> Result:
    """Write the data set or a model for other programs, or a report for other people."""
    from imgtag.data.exporting import export_dataset

    project = find_project(options.project)
    if options.format == "report":
        return _export_report(options, project)
    if options.format != "dataset":
        return _export_model(options, project)
    path = Path(options.to or f"{project.name}.zip")
    pictures = export_dataset(project, path)
    _say(options, f"Written: {path} with {pictures} pictures.")
    return {"path": str(path), "pictures": pictures}


def _export_model(options: argparse.Namespace, project: Project) -> Result:
    from imgtag.serving.handing_out import export_to, find_format
    from imgtag.training.runs import find_run

    form = find_format(options.format)
    path = Path(options.to or f"{project.name}-{form.name}.zip").absolute()
    made = export_to(find_run(project, options.run), form, path, _telling(options))
    _say(options, f"{made.words}\nWritten: {made.path}")
    return made.as_dict()


def import_bundle(options: argparse.Namespace) -> Result:
    """Take in a model that was exported as a bundle; makes the project if it is new."""
    from imgtag.serving.importing_models import import_model

    made: list[Project] = []

    def owner() -> Project:
        try:
            return find_project(options.project)
        except NotFound:
            made.append(_create(options.project))
            return made[0]

    try:
        run = import_model(owner, Path(options.bundle), _telling(options))
    except BaseException:
        for project in made:
            storage.remove_folder(project.path)
        raise
    _say(options, f"Imported as {run.id}: {len(run.classes)} classes.")
    return {"run": run.id, "project": run.project.name, "classes": run.classes}


def _telling(options: argparse.Namespace) -> Callable[[int, int, str], None]:
    """Say what is being done, once for each kind of work."""
    said: set[str] = set()

    def tell(done: int, total: int, message: str) -> None:
        if message not in said:
            said.add(message)
            _say(options, message)

    return tell


def _export_report(options: argparse.Namespace, project: Project) -> Result:
    from imgtag.review.report import write_report
    from imgtag.training.runs import find_run

    path = Path(options.to or f"{project.name}.html")
    storage.atomic_write(path.absolute(), write_report(find_run(project, options.run)).encode())
    _say(options, f"Written: {path}")
    return {"path": str(path)}


def list_suspects(options: argparse.Namespace) -> Result:
    """Labels that look wrong, worst first."""
    from imgtag.data.dataset import look
    from imgtag.data.history import place
    from imgtag.review.suspects import look_for_suspects
    from imgtag.training.looker import look_now

    project = find_project(options.project)
    look_now(project)
    dataset = look(project)
    found = look_for_suspects(dataset)
    rows = [
        {
            "file": place(project, dataset.by_id[s.id].path),
            "label": s.label,
            "suggested": s.suggested,
            "score": round(s.score, 5),
        }
        for s in found
    ]
    for s, row in zip(found, rows, strict=True):
        twin = f"; nearly the same picture is in {s.twin}" if s.twin else ""
        _say(options, f"{row['score']:.3f}  {row['file']}  looks like {s.suggested}{twin}")
    _say(options, f"{len(rows)} of {len(dataset.labelled)} labels look wrong.")
    return rows


def _create(name: str) -> Project:
    if len(Path(name).parts) == 1:
        return create_project(name)
    try:
        path = Path(name).expanduser()
    except RuntimeError as error:
        raise BadName(f"There is no folder “{name}”.", f"{error}.", "Write the whole path.") from error
    if path.exists():
        raise BadName(
            f"{path} exists already and is no project.", "A new project needs a new folder.", "Name another one."
        )
    return create_at(path)


def _say(options: argparse.Namespace, text: str) -> None:
    if not options.json:
        print(text, flush=True)
