"""Exports: what each holds, that each runs without imgtag and says what the original says, and that a spoilt one is
refused."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from imgtag.core import storage
from imgtag.core.errors import Conflict, ImgtagError, NotFound
from imgtag.data.dataset import look
from imgtag.serving import handing_out
from imgtag.serving.formats import FORMATS, SHIPPED, Format, write_format
from imgtag.serving.graph import graph_inputs, graph_of
from imgtag.serving.handing_out import export_model, export_to, find_format, last_export
from imgtag.serving.predictor import Predictor, load_predictor
from imgtag.serving.verifying import Agreement, compare, verify
from imgtag.training.backbones import BACKBONES, at_size, backbone
from imgtag.training.extractor import Extractor, Tuned
from imgtag.training.head import Head
from imgtag.training.model import Member, Model, load_model, save_model, set_refusal
from imgtag.training.runs import Run
from imgtag.training.trust import Familiar, Refusal, Trust
from tests.drawing import draw, encode, picture, quadrants, scene
from tests.prepared import copy_balanced

# Shapes, depths and turns of pictures in which a program of one's own would go wrong.
ODD: Mapping[str, bytes] = {
    "plain.jpg": encode(scene(1), "JPEG"),
    "large.jpg": encode(scene(2, (1700, 1300)), "JPEG", quality=90),
    "strip.png": encode(scene(3, (900, 90))),
    "tall.jpg": encode(scene(4, (80, 700)), "JPEG"),
    "grey.png": encode(scene(5).convert("L")),
    "see-through.png": encode(scene(6).convert("RGBA").rotate(30)),
    "palette.gif": encode(scene(7).convert("P"), "GIF"),
    "cmyk.jpg": encode(scene(8).convert("CMYK"), "JPEG"),
    "sixteen.png": encode(Image.fromarray(np.asarray(scene(9).convert("L"), np.uint16) * 257)),
    "sideways.jpg": b"",
    "broken-exif.png": encode(scene(10), "PNG", exif=b"garbage"),
    "small.webp": encode(draw("red", 3), "WEBP"),
}


def odd_pictures(folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    for name, data in ODD.items():
        (folder / name).write_bytes(data)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    (folder / "sideways.jpg").write_bytes(encode(quadrants(300), "JPEG", exif=exif))
    return [folder / name for name in ODD]


def run_example(folder: Path, form: Format, *arguments: object) -> list[dict[str, Any]]:
    """The answers of the shipped example in a process in which imgtag cannot be imported."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "IMGTAG_HOME")}
    blocked = "import sys; sys.modules['imgtag'] = None; import runpy; sys.argv = sys.argv[1:]; " \
              "sys.path.insert(0, '.'); runpy.run_path(sys.argv[0], run_name='__main__')"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", blocked, form.script, *map(str, arguments)],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def chances(answer: dict[str, Any]) -> dict[str, float]:
    return {tag["class"]: tag["probability"] for tag in answer["tags"]}


CONTENTS = {
    "bundle": {"model.safetensors", "model.json", "predict.py", "checksums.json", "run"},
    "onnx": {"model.onnx", "labels.json", "classify.py"},
    "openvino": {"model.xml", "model.bin", "labels.json", "classify.py"},
    "torchscript": {"model.pt2", "labels.json", "classify.py"},
    "docker": {"model.onnx", "labels.json", "classify.py", "service.py", "Dockerfile"},
}
ALWAYS = {"README.md", "MODEL_CARD.md", "requirements.txt", "verification.json"}


def give_small_model(run: Run) -> Run:
    """Another model for a run: two fine-tuned networks that convert in seconds, of two input sizes and unequal shares,
    with a hidden layer, mirrored views, a temperature, and limits of “unknown”."""
    import torch

    from imgtag.training.networks import build

    lot = np.random.default_rng(5)
    members = []
    for size, share, key in ((128, 0.7, "a"), (96, 0.3, "b")):
        row = at_size(BACKBONES["squeezenet1_1"], size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(size)  # the same in every test: they share what was converted under its key
            state = build(row, None).net.state_dict()
        weights = {name: np.asarray(value, np.float32) for name, value in state.items()}
        layers = ((16, row.dimensions), (3, 16)) if key == "a" else ((3, row.dimensions),)
        made = [(lot.normal(0, 0.3, shape).astype(np.float32), lot.normal(0, 0.3, shape[0]).astype(np.float32))
                for shape in layers]  # fmt: skip
        members.append(Member(row, Head(tuple(made)), share, Tuned(key * 16, lambda weights=weights: weights)))
    familiar = Familiar.of(lot.normal(0, 1, (8, members[0].row.dimensions)).astype(np.float16))
    save_model(run, members, mirror=True, trust=Trust(1.3, Refusal(0.4, -0.5, 0.05), familiar, 0))
    return run


def check_export(run: Run, form: Format, folder: Path, odd: Path) -> None:
    """Make it; then the example, away from imgtag, and the app are asked about odd pictures."""
    made = export_to(run, form, folder)
    assert {p.name for p in folder.iterdir()} == CONTENTS[form.name] | ALWAYS
    val = [m for m in run.manifest() if m.split == "val"]
    assert (made.facts["n"], made.facts["pictures"]) == (len(val), "validation")
    assert made.facts["agreement"] == 1.0
    assert made.facts["largest_difference"] < 0.05
    assert storage.read_json(folder / "verification.json")["words"] == made.words
    files = odd_pictures(odd)
    ours = load_predictor(run).exact().classify([(str(f), f) for f in files], top=3)
    theirs = run_example(folder, form, "--top", 3, *files, odd / "gone.jpg")
    assert theirs.pop()["error"]
    for a, b in zip(ours, theirs, strict=True):
        assert (b["file"], b["error"], b["unknown"]) == (a.file, None, a.unknown)
        assert chances(b) == pytest.approx(chances(a.as_dict()), abs=0.05), a.file
    assert list((run.project.cache / "export" / run.id).glob(".making*")) == []


@pytest.mark.parametrize("name", FORMATS)
def test_each_form_runs_without_imgtag_and_says_what_the_original_says(trained: Run, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out" / name
    check_export(give_small_model(trained), find_format(name), folder, tmp_path / "odd")
    if name == "onnx":
        takes_any_number(load_model(trained), folder / "model.onnx")


def test_the_bundle_of_two_embedded_networks_says_what_the_original_says(ready: Path, tmp_path: Path) -> None:
    check_export(copy_balanced(ready), find_format("bundle"), tmp_path / "out" / "bundle", tmp_path / "odd")


def takes_any_number(model: Model, path: Path) -> None:
    """The graph of ONNX explains itself, and takes one picture or many."""
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(path)
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == list(model.classes)
    assert [i["name"] for i in json.loads(facts["inputs"])] == [i.name for i in session.get_inputs()]
    assert [o.name for o in session.get_outputs()] == ["probabilities", "familiarity"]
    graph = graph_of(model)
    for number in (1, 2, 5):
        lot = np.random.default_rng(number)
        given = {i.name: lot.integers(0, 256, (number, i.size, i.size, 3), np.uint8) for i in graph_inputs(model)}
        found = session.run(None, given)
        with torch.inference_mode():
            expected = graph(*map(torch.from_numpy, given.values()))
        assert found[0].shape == (number, 3)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b.numpy(), atol=2e-4)


def test_networks_of_every_kind_lose_their_classifier_in_the_example_as_in_the_app(tmp_path: Path) -> None:
    """predict.py builds networks by itself: what it takes off must be what `networks.build` takes off."""
    names = ["squeezenet1_1", "mobilenet_v3_small", "googlenet", "efficientnet_lite0", "timm:resnet10t"]
    code = (SHIPPED / "predict.py").read_text("utf-8")
    alone = code[code.index("def network") : code.index("def pixels")]
    import timm
    import torch
    import torchvision

    from imgtag.training.networks import build

    for name in names:
        row = backbone(name)
        net = build(row, None)
        weights = {f"0.backbone.{key}": value for key, value in net.net.state_dict().items()}
        there: dict[str, Any] = {"timm": timm, "torch": torch, "torchvision": torchvision, "W": weights}
        exec(f"from itertools import accumulate\n{alone}", there)
        x = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
        with torch.inference_mode():
            found = there["features"](name, there["network"](0, name), net.normalised(x))
            torch.testing.assert_close(found, net(x), msg=name)


def test_the_examples_are_short_and_need_nothing_of_imgtag() -> None:
    assert len((SHIPPED / "predict.py").read_text("utf-8").splitlines()) < 100
    for path in SHIPPED.glob("*.py"):
        assert "import imgtag" not in path.read_text("utf-8")
        assert "from imgtag" not in path.read_text("utf-8")


def test_the_requirements_are_pinned_to_what_it_was_checked_with(trained: Run, tmp_path: Path) -> None:
    export_to(trained, find_format("bundle"), tmp_path / "out")
    lines = (tmp_path / "out" / "requirements.txt").read_text().splitlines()
    assert {line.split("==")[0] for line in lines} == set(FORMATS["bundle"].packages)
    assert all(line.count("==") == 1 and "+" not in line for line in lines)


def test_the_bundle_is_made_of_the_files_of_the_run(trained: Run, tmp_path: Path) -> None:
    export_to(trained, find_format("bundle"), tmp_path / "out")
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "out" / name).read_bytes() == (trained.path / "model" / name).read_bytes()
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text("utf-8")
    for words in ("Apache-2.0", "EfficientNet-Lite0", "95 % certainty", "Temperature", "test pictures", "| ten |"):
        assert words in card, words


# ----------------------------------------------------------------------------- the verification refuses


def spoilt_head(run: Run, form: Format, folder: Path) -> None:
    """An export whose head is another one, as a wrong converter would make it; its checksum is right."""
    import hashlib

    from safetensors.numpy import load_file, save

    HONEST(run, form, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["0.head.0.weight"] = -tensors["0.head.0.weight"]
    data = save(tensors)
    (folder / "model.safetensors").write_bytes(data)
    facts = json.loads((folder / "model.json").read_text("utf-8"))
    facts["sha256"]["model.safetensors"] = hashlib.sha256(data).hexdigest()
    (folder / "model.json").write_text(json.dumps(facts), "utf-8")


def spoilt_file(run: Run, form: Format, folder: Path) -> None:
    """An export that was cut off."""
    HONEST(run, form, folder)
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


HONEST = handing_out.write_format


@pytest.mark.parametrize(
    ("spoil", "reason"), [(spoilt_head, "does not say what"), (spoilt_file, "could not be loaded")]
)
def test_a_spoilt_export_is_not_handed_out(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Any, reason: str
) -> None:
    monkeypatch.setattr(handing_out, "write_format", spoil)
    for target in (tmp_path / "out.zip", tmp_path / "out"):
        with pytest.raises(ImgtagError) as refused:
            export_to(trained, find_format("bundle"), target)
        assert reason in refused.value.title
        assert not target.exists()
    with pytest.raises(ImgtagError):
        export_model(trained, find_format("bundle"))
    assert last_export(trained, find_format("bundle")) is None
    assert not list((trained.project.cache / "export").rglob("*.zip"))
    assert not list((trained.project.cache / "export").rglob(".making*"))


def test_an_original_that_rounds_is_told_apart_from_a_wrong_export(trained: Run, tmp_path: Path) -> None:
    """The app may compute in bfloat16; here it rounds everything away."""
    predictor, form, folder = load_predictor(trained), find_format("bundle"), tmp_path / "bundle"
    rough = [Extractor(lambda x, e=e: 0 * e.run(x), "OpenVINO bf16", "") for e in predictor._extractors]
    write_format(trained, form, folder)
    found = verify(trained, Predictor(predictor.model, rough), form, folder, lambda done, total, message: None)
    assert found.enough
    assert (found.same, found.largest) == (found.n, pytest.approx(0, abs=0.001))
    assert found.rounded
    assert found.rounded.same < found.n
    assert f"{found.rounded.same} of {found.n} are the same" in found.words
    assert found.as_dict()["rounded_original"]["agreement"] == round(found.rounded.same / found.n, 5)


def pair(a: float, b: float) -> tuple[dict[str, Any], dict[str, Any]]:
    ours, theirs = (
        {"tags": [{"class": "x", "probability": p}, {"class": "y", "probability": 1 - p}], "unknown": False}
        for p in (a, b)
    )
    return ours, theirs


def test_what_is_enough() -> None:
    assert compare("validation", 2, [pair(0.9, 0.91), pair(0.2, 0.2)]).enough
    near_tie = compare("validation", 5, [pair(0.51, 0.49), *[pair(0.9, 0.9)] * 4])
    assert (near_tie.same, near_tie.enough) == (4, True)
    assert not compare("validation", 5, [*[pair(0.51, 0.49)] * 2, *[pair(0.9, 0.9)] * 3]).enough
    assert not compare("validation", 5, [pair(0.9, 0.8)]).enough
    assert not compare("validation", 1, [(pair(0.9, 0.9)[0], {"tags": [], "unknown": None})]).enough
    assert not compare("validation", 1, [pair(0.9, float("nan"))]).enough
    assert not Agreement("validation", 0, 0, 0, 0, 0.0).enough


def test_the_sentence_says_how_many_and_of_what() -> None:
    words = Agreement("validation", 200, 1234, 199, 200, 0.004).words
    assert "199 of 200 validation pictures (200 drawn by lot of 1,234)" in words
    assert "0.4 points" in words


# ----------------------------------------------------------------------------- where they go


def test_pictures_that_are_gone_are_replaced(trained: Run, tmp_path: Path) -> None:
    by_id = look(trained.project).by_id
    for m in trained.manifest():
        if m.split == "val":
            by_id[m.sha256].path.unlink()
    assert export_to(trained, find_format("bundle"), tmp_path / "a").facts["pictures"] == "other"
    for path in trained.project.images.rglob("*.png"):
        path.unlink()
    assert export_to(trained, find_format("bundle"), tmp_path / "b").facts["pictures"] == "drawn"


def test_a_zip_has_one_folder_and_a_full_folder_is_left_alone(trained: Run, tmp_path: Path) -> None:
    export_to(trained, find_format("bundle"), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"numbers-bundle"}
        assert archive.testzip() is None
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    with pytest.raises(Conflict):
        export_to(trained, find_format("bundle"), tmp_path / "full")
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]


def test_a_stop_leaves_nothing(trained: Run, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def stop(done: int, total: int, message: str) -> None:
        if done:
            raise Enough

    with pytest.raises(Enough):
        export_to(trained, find_format("bundle"), tmp_path / "out.zip", stop)
    assert list(tmp_path.glob("out*")) == []
    assert not list((trained.project.cache / "export").rglob(".making*"))


def test_the_download_gives_only_what_was_verified_for_the_model_as_it_is(trained: Run) -> None:
    from starlette.applications import Starlette

    from imgtag.serving.api import ROUTES

    client = TestClient(Starlette(routes=ROUTES), base_url="http://127.0.0.1")
    address = f"/api/projects/numbers/export/{trained.id}/bundle.zip"
    assert client.get(address).status_code == 404
    made = export_model(trained, find_format("bundle"))
    got = client.get(address)
    assert got.status_code == 200
    assert got.content == made.path.read_bytes()
    assert "numbers-bundle.zip" in got.headers["content-disposition"]
    assert zipfile.ZipFile(io.BytesIO(got.content)).testzip() is None
    for wrong in ("onnx", "nothing", "..%2F..%2Fproject"):
        assert client.get(f"/api/projects/numbers/export/{trained.id}/{wrong}.zip").status_code == 404
    assert client.get("/api/projects/numbers/export/..%2Fx/bundle.zip").status_code == 404
    set_refusal(trained, Refusal(0.9, None, 0.1))
    assert client.get(address).status_code == 404, "the limits of “unknown” are others now"


def test_a_form_that_does_not_exist_is_named() -> None:
    with pytest.raises(NotFound, match="pickle"):
        find_format("pickle")


# ----------------------------------------------------------------------------- the web service


@pytest.fixture
def service(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The shipped service over an exported model, in this process."""
    export_to(give_small_model(trained), find_format("docker"), tmp_path / "out")
    monkeypatch.syspath_prepend(tmp_path / "out")
    monkeypatch.setenv("MAX_FILES", "3")
    monkeypatch.setenv("MAX_MB", "1")
    for name in ("classify", "service"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import importlib

    yield TestClient(importlib.import_module("service").app)
    for name in ("classify", "service"):
        sys.modules.pop(name, None)


def test_the_service_answers_and_refuses_clearly(service: Any, trained: Run) -> None:
    assert service.get("/health").json() == {"status": "ok", "classes": trained.classes}
    good, page, large = picture("blue", 70, shape="square"), b"<html>", bytes(1 << 20) + b"x"
    sent = [("image", (name, data)) for name, data in (("a.png", good), ("b.jpg", page), ("c.png", large))]
    answers = service.post("/classify?top=2", files=sent).json()
    assert [a["file"] for a in answers] == ["a.png", "b.jpg", "c.png"]
    assert answers[0]["tags"][0]["class"] in trained.classes
    assert len(answers[0]["tags"]) == 2
    assert "cannot be read" in answers[1]["error"]
    assert "too large" in answers[2]["error"]
    refusals = {
        400: [service.post("/classify", data={"x": "y"}), service.post("/classify?top=no", files=sent[:1]),
              service.post("/classify", files=sent[:1] * 4), service.post("/classify", content=b"x")],
        413: [service.post("/classify", content=bytes(4 << 20))],
        411: [service.post("/classify", content=iter([b"x"]))],
        404: [service.get("/nowhere")],
        405: [service.get("/classify")],
    }  # fmt: skip
    for status, got in refusals.items():
        for answer in got:
            assert answer.status_code == status, (status, answer.text)
            assert answer.json()["error"]["title"]
