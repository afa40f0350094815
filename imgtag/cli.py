"""The command line: the same verbs without a browser, each with --json for scripts."""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from imgtag import commands
from imgtag.commands import Command, Result
from imgtag.core.errors import ImgtagError
from imgtag.core.settings import home


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 2 refused with a reason)."""
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what a terminal or pipe cannot take
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser().parse_args(arguments)
        command: Command = options.command
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


def _serve(options: argparse.Namespace) -> Result:
    app = Path(__file__).resolve().parents[1] / "app.py"
    command = [sys.executable, str(app), "--host", options.host, "--port", str(options.port)]
    if os.name == "nt":  # there execv neither waits nor takes a path with spaces
        sys.exit(subprocess.call(command))  # noqa: S603 (our own interpreter and file)
    os.execv(sys.executable, command)  # noqa: S606 (the same)


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

    def verb(name: str, command: Command, about: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=about, description=about)
        made.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        made.set_defaults(command=command)
        return made

    def with_project(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
        made.add_argument("project", metavar="PROJECT", help=f"a name under {home()}, or a path")
        return made

    with_project(verb("new", commands.new_project, "make an empty project"))
    importing = with_project(verb("import", commands.import_pictures, "add pictures from folders, zips or files"))
    importing.add_argument("source", nargs="+", metavar="SOURCE")
    training = with_project(verb("train", commands.train, "train a model"))
    training.add_argument("--preset", default="quick", help="quick, balanced, best or custom")
    training.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    training.add_argument("--no-wait", action="store_true", help="return at once; the training goes on")
    training.add_argument("--resume", default="", metavar="ID", help="go on with an interrupted run")
    training.add_argument("--prepare", action="store_true", help="only make the run folder, to start it with torchrun")
    verb("backbones", commands.list_backbones, "the pretrained networks to choose from")
    evaluating = with_project(verb("evaluate", commands.evaluate_run, "figures on pictures the model has not seen"))
    evaluating.add_argument("--run", default="", metavar="ID")
    evaluating.add_argument("--split", default="val", choices=("val", "test"))
    evaluating.add_argument("--tta", action="store_true", help="compare with several views of each picture, averaged")
    classifying = with_project(verb("classify", commands.classify_files, "tag pictures"))
    classifying.add_argument("file", nargs="+", metavar="FILE")
    classifying.add_argument("--run", default="", metavar="ID")
    classifying.add_argument("--top", type=int, default=5)
    classifying.add_argument("--tta", action="store_true", help="average four views of each picture")
    classifying.add_argument("--csv", default="", metavar="OUT")
    exporting = with_project(
        verb("export", commands.export_project, "write the data set, a model or a report for others")
    )
    exporting.add_argument("--to", default="", metavar="OUT")
    exporting.add_argument("--run", default="", metavar="ID")
    exporting.add_argument(
        "--format",
        default="bundle",
        choices=("bundle", "onnx", "openvino", "torchscript", "docker", "report", "dataset"),
    )
    taking = with_project(verb("import-model", commands.import_bundle, "take in a model that was exported as a bundle"))
    taking.add_argument("bundle", metavar="BUNDLE")
    with_project(verb("suspects", commands.list_suspects, "labels that look wrong"))
    checking = with_project(verb("check", commands.check_pictures, "integrity and health of the data"))
    checking.add_argument(
        "--fix", action="store_true", help="trash copies and unreadable files, let no shot stand in two splits"
    )
    serving = verb("serve", _serve, "start the app")
    serving.add_argument("--host", default="127.0.0.1")
    serving.add_argument("--port", type=int, default=8501)
    return parser


if __name__ == "__main__":
    sys.exit(main())
