"""The command line: the same verbs without a browser, each with --json for scripts."""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from imgtag.core import storage
from imgtag.core.errors import BadName, ImgtagError, NotFound, NotYet
from imgtag.core.settings import home
from imgtag.data.projects import Project, create_at, create_project, find_project

Result = dict[str, Any] | list[dict[str, Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 2 refused with a reason)."""
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what a terminal or pipe cannot take
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], Result] = options.command
        result = command(options)
    except ImgtagError as error:
        return _refuse(error, as_json)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader (such as `head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f"“{error.filename}”" if error.filename else "A file"
        return _refuse(
            ImgtagError(
                f"{place} cannot be read or written.", f"The system says: {error.strerror}.", "Check the path."
            ),
            as_json,
        )
    if options.json:
        print(json.dumps(result))
    return 0


def _refuse(error: ImgtagError, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": error.as_dict()}))
    else:
        print(f"{error.title}\n{error.explanation}\n{error.next_step}".strip(), file=sys.stderr)
    return 2


# ----------------------------------------------------------------------------- commands


def _new(options: argparse.Namespace) -> Result:
    project = _create(options.project)
    _say(options, f"Created {project.path}")
    return {"project": project.name, "path": str(project.path)}


def _import(options: argparse.Namespace) -> Result:
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


def _train(options: argparse.Namespace) -> Result:
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


def _backbones(options: argparse.Namespace) -> Result:
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


def _evaluate(options: argparse.Namespace) -> Result:
    from imgtag.review.metrics import evaluate
    from imgtag.training.runs import find_run

    if options.tta:
        raise _not_yet("Test-time augmentation")
    found = evaluate(find_run(find_project(options.project), options.run), options.split)
    low, high = found.interval
    _say(options, f"{found.right} of {found.n} right: {found.accuracy:.1%} (95 % sure: {low:.1%} to {high:.1%})")
    for f in found.per_class:
        _say(options, f"{f.label:30} precision {f.precision:.3f}  recall {f.recall:.3f}  F1 {f.f1:.3f}  n {f.support}")
    return found.as_dict()


def _classify(options: argparse.Namespace) -> Result:
    from imgtag.serving.predictor import load_predictor
    from imgtag.training.runs import find_run

    predictor = load_predictor(find_run(find_project(options.project), options.run))
    top = max(1, options.top)
    answers = predictor.classify(((file, Path(file)) for file in options.file), top)
    for answer in answers:
        tags = ", ".join(f"{t.display} {t.probability:.1%}" for t in answer.tags)
        _say(options, f"{answer.file}: {answer.error or tags}")
    if options.csv:
        from imgtag.serving.tables import answers_csv

        table = answers_csv(answers, top).encode("utf-8-sig", "backslashreplace")
        storage.atomic_write(Path(options.csv).absolute(), table)
        _say(options, f"Written: {options.csv}")
    return [answer.as_dict() for answer in answers]


def _check(options: argparse.Namespace) -> Result:
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


def _export(options: argparse.Namespace) -> Result:
    from imgtag.data.exporting import export_dataset

    project = find_project(options.project)
    if options.format != "dataset":
        raise _not_yet("Export")
    path = Path(options.to or f"{project.name}.zip")
    pictures = export_dataset(project, path)
    _say(options, f"Written: {path} with {pictures} pictures.")
    return {"path": str(path), "pictures": pictures}


def _planned(what: str) -> Callable[[argparse.Namespace], Result]:
    def refuse(options: argparse.Namespace) -> Result:
        find_project(options.project)
        raise _not_yet(what)

    return refuse


def _serve(options: argparse.Namespace) -> Result:
    app = Path(__file__).resolve().parents[1] / "app.py"
    command = [sys.executable, str(app), "--host", options.host, "--port", str(options.port)]
    if os.name == "nt":  # there execv neither waits nor takes a path with spaces
        sys.exit(subprocess.call(command))  # noqa: S603 (our own interpreter and file)
    os.execv(sys.executable, command)  # noqa: S606 (the same)


# ----------------------------------------------------------------------------- helpers


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


def _not_yet(what: str) -> NotYet:
    return NotYet(f"{what} is not in this version yet.", "It is planned.", "See the CHANGELOG for what is there.")


def _say(options: argparse.Namespace, text: str) -> None:
    if not options.json:
        print(text, flush=True)


class _Parser(argparse.ArgumentParser):
    """Refuses in the same words and shape as everything else."""

    def error(self, message: str) -> NoReturn:
        raise ImgtagError(
            "The command cannot be understood.", f"{message[:1].upper()}{message[1:]}.", self.format_usage()
        )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m imgtag", description="Train your own image tagger.")

    def show_help(options: argparse.Namespace) -> Result:
        parser.print_help()
        return {}

    parser.set_defaults(command=show_help, json=False)
    verbs = parser.add_subparsers(metavar="VERB")

    def verb(name: str, command: Callable[[argparse.Namespace], Result], about: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=about, description=about)
        made.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        made.set_defaults(command=command)
        return made

    def with_project(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
        made.add_argument("project", metavar="PROJECT", help=f"a name under {home()}, or a path")
        return made

    with_project(verb("new", _new, "make an empty project"))
    importing = with_project(verb("import", _import, "add pictures from folders, zips or files"))
    importing.add_argument("source", nargs="+", metavar="SOURCE")
    training = with_project(verb("train", _train, "train a model"))
    training.add_argument("--preset", default="quick", help="quick, balanced, best or custom")
    training.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    training.add_argument("--no-wait", action="store_true", help="return at once; the training goes on")
    training.add_argument("--resume", default="", metavar="ID", help="go on with an interrupted run")
    training.add_argument("--prepare", action="store_true", help="only make the run folder, to start it with torchrun")
    verb("backbones", _backbones, "the pretrained networks to choose from")
    evaluating = with_project(verb("evaluate", _evaluate, "figures on pictures the model has not seen"))
    evaluating.add_argument("--run", default="", metavar="ID")
    evaluating.add_argument("--split", default="val", choices=("val", "test"))
    evaluating.add_argument("--tta", action="store_true", help="average several views of each picture")
    classifying = with_project(verb("classify", _classify, "tag pictures"))
    classifying.add_argument("file", nargs="+", metavar="FILE")
    classifying.add_argument("--run", default="", metavar="ID")
    classifying.add_argument("--top", type=int, default=5)
    classifying.add_argument("--csv", default="", metavar="OUT")
    exporting = with_project(verb("export", _export, "write the data set, a model or a report for others"))
    exporting.add_argument("--to", default="", metavar="OUT")
    exporting.add_argument("--run", default="", metavar="ID")
    exporting.add_argument(
        "--format", default="bundle", choices=("bundle", "onnx", "openvino", "torchscript", "report", "dataset")
    )
    with_project(verb("suspects", _planned("The list of suspicious labels"), "labels that look wrong"))
    checking = with_project(verb("check", _check, "integrity and health of the data"))
    checking.add_argument(
        "--fix", action="store_true", help="trash copies and unreadable files, let no shot stand in two splits"
    )
    serving = verb("serve", _serve, "start the app")
    serving.add_argument("--host", default="127.0.0.1")
    serving.add_argument("--port", type=int, default=8501)
    return parser


if __name__ == "__main__":
    sys.exit(main())
