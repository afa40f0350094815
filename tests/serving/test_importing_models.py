"""Bundles from elsewhere: they classify and are explained as where they came from; what is none is refused whole."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgtag.core.errors import ImgtagError
from imgtag.data.projects import Project, create_project
from imgtag.review.metrics import evaluate
from imgtag.serving.formats import write_format
from imgtag.serving.handing_out import find_format
from imgtag.serving.importing_models import import_model
from imgtag.serving.predictor import load_predictor
from imgtag.training.runs import Run, find_run, list_runs
from tests.drawing import sha, zip_of
from tests.prepared import bytes_of

ROOT = Path(__file__).resolve().parents[2]
Files = dict[str, bytes]


@pytest.fixture
def files(trained: Run, tmp_path: Path) -> Files:
    """The files of a bundle, by their place in it."""
    folder = tmp_path / "bundle"
    write_format(trained, find_format("bundle"), folder)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def other(trained: Run) -> Project:
    return create_project("other")


def packed(files: Files, path: Path, top: str = "numbers-bundle/") -> Path:
    path.write_bytes(zip_of({f"{top}{name}": data for name, data in files.items()}, zipfile.ZIP_STORED))
    return path


def summed(files: Files, **changes: bytes) -> Files:
    """The files with some changed, and checksums that fit: what somebody would hand in on purpose."""
    now = {**files, **{name.replace("__", "/").replace("_dot_", "."): data for name, data in changes.items()}}
    sums = {name: sha(data) for name, data in now.items() if name != "checksums.json"}
    return {**now, "checksums.json": json.dumps(sums).encode()}


def answers(run: Run) -> list[Any]:
    asked = [(c, bytes_of(c, 3)) for c in ("red", "green", "blue")]
    return [a.as_dict() for a in load_predictor(run).classify(asked)]


@pytest.mark.parametrize("form", ["zip", "zip without a folder", "folder"])
def test_it_classifies_and_is_explained_as_where_it_came_from(
    trained: Run, files: Files, other: Project, tmp_path: Path, form: str
) -> None:
    path = (
        tmp_path / "bundle" if form == "folder" else packed(files, tmp_path / "b.zip", "top/" if form == "zip" else "")
    )
    run = import_model(lambda: other, path)
    assert find_run(other).id == run.id
    assert (run.state, run.has_model, run.classes) == ("finished", True, trained.classes)
    assert answers(run) == answers(trained)
    for split in ("val", "test"):
        assert evaluate(run, split).as_dict() == evaluate(trained, split).as_dict()
    assert run.status["val_accuracy"] == trained.status["val_accuracy"]
    assert [m.sha256 for m in run.manifest()] == [m.sha256 for m in trained.manifest()]
    assert run.recipe == trained.recipe
    assert len(run.metrics()) == len(trained.metrics())
    assert "another computer" in run.status["note"]


def test_the_pages_open_on_it(files: Files, other: Project, tmp_path: Path) -> None:
    from streamlit.testing.v1 import AppTest

    import_model(lambda: other, packed(files, tmp_path / "b.zip"))
    for page in ("review", "train", "classify", "share"):
        app = AppTest.from_file(str(ROOT / "imgtag" / "ui" / "main.py"), default_timeout=60)
        app.query_params["project"] = "other"
        app.run()
        app.switch_page(f"../../pages/{page}.py").run()
        assert not app.exception, page
        if page != "train":  # which rightly says that there are no pictures to learn from
            assert not app.error, (page, [e.value for e in app.error])


def test_facts_that_are_none_are_left_behind(files: Files, other: Project, tmp_path: Path) -> None:
    """Paths that lead out, classes and splits that are none, numbers that are none: the model comes in without them."""
    rows = list(csv.DictReader(io.StringIO(files["run/manifest.csv"].decode())))
    rows[0]["path"] = "../../../etc/passwd"
    rows[1]["class"], rows[2]["split"], rows[3]["sha256"] = "strange", "none", "../x"
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    changed = {
        **files,
        "run/manifest.csv": text.getvalue().encode(),
        "run/predictions.csv": b"path,sha256\nx,y\n",
        "run/status.json": b'{"val_accuracy": NaN, "seconds": "long", "state": "running", "error": 5}',
        "run/config.json": b"[1, 2]",
        "run/metrics.jsonl": b'{"phase": 3}\n{"phase": "fitting", "t": "x"}\nnothing',
    }
    run = import_model(lambda: other, packed(summed(changed), tmp_path / "b.zip"))
    assert len(run.manifest()) == len(rows) - 3
    assert run.manifest()[0].path == "etc/passwd"
    assert run.state == "finished"
    assert not {"val_accuracy", "seconds", "error"} & run.status.keys()
    assert run.metrics() == []
    assert len(answers(run)) == 3


def model_json(files: Files, change: Callable[[dict[str, Any]], None]) -> Files:
    facts = json.loads(files["model.json"])
    change(facts)
    return summed({**files, "model.json": json.dumps(facts).encode()})


WRONG: dict[str, Callable[[Files], Files]] = {
    "weights cut off": lambda f: {**f, "model.safetensors": f["model.safetensors"][:-9]},
    "weights cut off on purpose": lambda f: summed({**f, "model.safetensors": f["model.safetensors"][:-9]}),
    "weights exchanged": lambda f: {**f, "model.safetensors": f["model.safetensors"][:-1] + b"x"},
    "a pickle": lambda f: summed({**f, "model.safetensors": b"cos\nsystem\n(S'touch /tmp/pwned'\ntR."}),
    "no weights": lambda f: {k: v for k, v in f.items() if k != "model.safetensors"},
    "no checksums": lambda f: {k: v for k, v in f.items() if k != "checksums.json"},
    "checksums are none": lambda f: {**f, "checksums.json": b"[]"},
    "manifest changed": lambda f: {**f, "run/manifest.csv": f["run/manifest.csv"] + b"x"},
    "class leads out": lambda f: model_json(f, lambda m: m.update(classes=["1", "2", "../x"])),
    "class is a number": lambda f: model_json(f, lambda m: m.update(classes=["1", "2", 10])),
    "classes twice": lambda f: model_json(f, lambda m: m.update(classes=["1", "a", "A"])),
    "too many classes": lambda f: model_json(f, lambda m: m.update(classes=["1", "2", "10", "11"])),
    "no classes": lambda f: model_json(f, lambda m: m.update(classes=[])),
    "unknown network": lambda f: model_json(f, lambda m: m["members"][0].update(backbone="os.system")),
    "no members": lambda f: model_json(f, lambda m: m.update(members=[])),
    "not JSON": lambda f: summed({**f, "model.json": b"{" * 100_000}),
    "no temperature": lambda f: model_json(f, lambda m: m.update(temperature=0)),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_bundle_is_refused_and_leaves_nothing(
    files: Files, other: Project, tmp_path: Path, name: str
) -> None:
    path = packed(WRONG[name](files), tmp_path / "b.zip")
    before = sorted(p for p in other.path.rglob("*") if other.cache not in p.parents)
    with pytest.raises(ImgtagError):
        import_model(lambda: other, path)
    assert list_runs(other) == []
    left = sorted(p for p in other.path.rglob("*") if other.cache not in p.parents and p != other.runs)
    assert left == [p for p in before if p != other.runs]


def test_an_export_of_another_form_is_named(other: Project, tmp_path: Path) -> None:
    path = tmp_path / "onnx.zip"
    path.write_bytes(zip_of({"boats-onnx/labels.json": b"{}", "boats-onnx/model.onnx": b"x"}))
    with pytest.raises(ImgtagError) as refused:
        import_model(lambda: other, path)
    assert "a model for other programs" in refused.value.explanation


def test_zips_that_play_tricks_are_refused(files: Files, other: Project, tmp_path: Path) -> None:
    def zipped(change: Callable[[zipfile.ZipFile], None]) -> Path:
        path = packed(files, tmp_path / "t.zip", "")
        with zipfile.ZipFile(path, "a") as archive:
            change(archive)
        return path

    twice = zipped(lambda z: z.writestr("model.json", files["model.json"]))
    with pytest.raises(ImgtagError, match=r"bundle|taken"):
        import_model(lambda: other, twice)
    slip = zipped(lambda z: z.writestr("../../evil.py", b"x"))
    assert import_model(lambda: other, slip).has_model, "unknown names are never written"
    assert not list(tmp_path.rglob("evil.py"))
    link = zipfile.ZipInfo("model.safetensors")
    link.external_attr = 0xA1FF << 16
    with zipfile.ZipFile(tmp_path / "l.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(link if name == link.filename else name, data)
    with pytest.raises(ImgtagError, match="bundle"):
        import_model(lambda: other, tmp_path / "l.zip")
    bomb = tmp_path / "bomb.zip"
    bomb.write_bytes(zip_of({**files, "run/metrics.jsonl": bytes(30 << 20)}))
    with pytest.raises(ImgtagError, match="bundle"):
        import_model(lambda: other, bomb)
