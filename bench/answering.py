"""One way of asking a model, in a process of its own: pictures a second, one by one and many, from file to tags.

    python -m bench.answering METHOD RUN_FOLDER FILE...

Prints one JSON line. All use the same pretrained EfficientNet-Lite0. The last step of the other ways is random, since
only the time counts. fastai and onnxruntime: see `bench.serving`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 32
One, Many = Callable[[str], Any], Callable[[Sequence[str]], list[Any]]


def imgtag(run_folder: str, classes: Sequence[str]) -> tuple[One, Many]:
    from imgtag.serving.predictor import kept_predictor
    from imgtag.training.runs import Run

    predictor = kept_predictor(Run(Path(run_folder)))
    return (
        lambda path: predictor.classify([(path, Path(path))])[0].tags,
        lambda paths: [answer.tags for answer in predictor.classify((path, Path(path)) for path in paths)],
    )


def pytorch(run_folder: str, classes: Sequence[str]) -> tuple[One, Many]:
    """The tutorials' loop: PIL, torchvision's transforms, an eager network in fp32; a DataLoader for many."""
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader

    from bench.sets import Picture
    from bench.ways.shared import CENTRE, WORKERS, Pictures

    network = _network(len(classes))

    def tags(x: torch.Tensor) -> list[Any]:
        with torch.no_grad():
            chances, places = torch.softmax(network(x), dim=1).topk(min(5, len(classes)))
        return [
            [(classes[i], p) for p, i in zip(ps, places_, strict=True)]
            for ps, places_ in zip(chances.tolist(), places.tolist(), strict=True)
        ]

    def many(paths: Sequence[str]) -> list[Any]:
        pictures = Pictures([Picture(path, classes[0], "test", "") for path in paths], classes, CENTRE)
        return [tag for x, _ in DataLoader(pictures, batch_size=BATCH, num_workers=WORKERS) for tag in tags(x)]

    return lambda path: tags(CENTRE(Image.open(path).convert("RGB"))[None])[0], many


def onnx(run_folder: str, classes: Sequence[str]) -> tuple[One, Many]:
    """ONNX Runtime as it comes, after the usual preparation with PIL and numpy."""
    import onnxruntime
    import torch
    from PIL import Image

    from bench.ways.shared import MEAN, SIZE, STD

    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/network.onnx"
        x = torch.zeros(2, 3, SIZE, SIZE)
        axes = {"x": {0: "n"}, "y": {0: "n"}}
        torch.onnx.export(
            _network(len(classes)), (x,), file, input_names=["x"], output_names=["y"], dynamic_axes=axes, dynamo=False
        )
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    mean, std = np.array(MEAN, np.float32), np.array(STD, np.float32)

    def prepared(path: str) -> np.ndarray:
        picture = Image.open(path).convert("RGB")
        scale = 256 / min(picture.size)
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BILINEAR
        )
        left, top = (picture.width - SIZE) // 2, (picture.height - SIZE) // 2
        pixels = np.asarray(picture.crop((left, top, left + SIZE, top + SIZE)), np.float32) / 255
        return ((pixels - mean) / std).transpose(2, 0, 1)

    def tags(x: np.ndarray) -> list[Any]:
        logits = session.run(None, {"x": x})[0]
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        return [[(classes[i], float(row[i])) for i in np.argsort(-row)[:5]] for row in chances]

    def many(paths: Sequence[str]) -> list[Any]:
        parts = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
        return [tag for part in parts for tag in tags(np.stack([prepared(path) for path in part]))]

    return lambda path: tags(prepared(path)[None])[0], many


def fastai(run_folder: str, classes: Sequence[str]) -> tuple[One, Many]:
    """`learner.predict` for one, `get_preds` for many, as fastai's course does."""
    import torch
    from fastai.vision.all import CategoryBlock, DataBlock, ImageBlock, Resize, vision_learner

    from bench.ways.shared import BACKBONE, MEAN, SIZE, STD, WORKERS, weights

    names = dict(zip(sys.argv[3:], (classes[n % len(classes)] for n in range(len(sys.argv))), strict=False))
    block = DataBlock((ImageBlock, CategoryBlock(vocab=list(classes))), get_y=names.get, item_tfms=Resize(SIZE))
    dls = block.dataloaders(list(names), num_workers=WORKERS, bs=BATCH)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lite0.pth"
        torch.save(weights(), file)
        source = {"file": str(file), "mean": MEAN, "std": STD}
        learner = vision_learner(dls, BACKBONE, path=folder, pretrained_cfg_overlay=source)

    def one(path: str) -> Any:
        with learner.no_bar():
            return learner.predict(path)

    def many(paths: Sequence[str]) -> list[Any]:
        with learner.no_bar():
            chances, _ = learner.get_preds(dl=dls.test_dl(list(paths)))
        return [[(classes[i], float(row[i])) for i in row.argsort(descending=True)[:5]] for row in chances]

    return one, many


METHODS = {"imgtag": imgtag, "onnx": onnx, "pytorch": pytorch, "fastai": fastai}


def _network(classes: int) -> Any:
    import torch

    from bench.ways.shared import WIDTH, backbone

    network = backbone()
    network.classifier = torch.nn.Linear(WIDTH, classes)
    return network.eval()


def main() -> None:
    method, folder, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    classes = json.loads((Path(folder) / "model" / "model.json").read_text("utf-8"))["classes"]
    one, many = METHODS[method](folder, classes)
    for path in paths[:3]:
        one(path)
    many(paths[:BATCH])
    line: dict[str, Any] = {"busy": os.getloadavg()[0]}
    for name, ask in (("single", lambda: [one(path) for path in paths]), ("batch", lambda: many(paths))):
        began, cpu = time.perf_counter(), time.process_time()
        answers = ask()
        line[name] = len(paths) / (time.perf_counter() - began)
        line[f"{name}_cpu_ms"] = 1000 * (time.process_time() - cpu) / len(paths)
        if len(answers) != len(paths):
            raise SystemExit(f"{method} answered {len(answers)} of {len(paths)}")
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
