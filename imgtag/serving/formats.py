"""The forms in which a model leaves imgtag: what lies in each folder, and how it is made."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader

from imgtag import __version__
from imgtag.core import storage
from imgtag.core.errors import BadModel, ImgtagError
from imgtag.core.names import slug
from imgtag.serving.graph import Input, graph_inputs, graph_of, output_names
from imgtag.serving.model_card import write_card
from imgtag.training.model import Model, load_model
from imgtag.training.runs import Run

if TYPE_CHECKING:
    import torch

SHIPPED = Path(__file__).parent / "shipped"
RUN_FILES = ("config.json", "manifest.csv", "status.json", "metrics.jsonl", "predictions.csv")
_MOST_BYTES = 1_900_000_000  # a file of ONNX is a protobuf, which ends at two gigabytes
_PICTURES = ("numpy", "pillow", "pillow-heif")


@dataclass(frozen=True)
class Format:
    """A form of export. kind, about: what it is; script: the shipped example, which the verification runs as well;
    packages: what the example needs."""

    name: str
    kind: str
    about: str
    script: str
    packages: tuple[str, ...]


FORMATS = {
    form.name: form
    for form in (
        Format(
            "bundle", "a bundle", "", "predict.py", ("torch", "torchvision", "timm", "safetensors", *_PICTURES)
        ),
        Format(
            "onnx",
            "ONNX",
            "`model.onnx` runs in ONNX Runtime on servers, phones and in browsers, from nearly every language.",
            "classify.py",
            ("onnxruntime", *_PICTURES),
        ),
        Format(
            "openvino",
            "OpenVINO",
            "`model.xml` and `model.bin` are OpenVINO's own form (IR), the fastest on processors by Intel.",
            "classify.py",
            ("openvino", *_PICTURES),
        ),
        Format(
            "torchscript",
            "a PyTorch program",
            "`model.pt2` is a program of torch.export, which has taken the place of TorchScript: PyTorch loads it "
            "without any of the code that made it.",
            "classify.py",
            ("torch", *_PICTURES),
        ),
        Format(
            "docker",
            "a web service",
            "",
            "classify.py",
            ("onnxruntime", "starlette", "uvicorn", "python-multipart", *_PICTURES),
        ),
    )
}  # fmt: skip


def write_format(run: Run, form: Format, folder: Path) -> None:
    """Fill a folder with a model in one of the forms. Raises BadModel, DiskFull, or ImgtagError where the networks
    cannot be converted."""
    model = load_model(run)
    if form.name == "bundle":
        _write_bundle(run, folder)
    else:
        _write_graph(model, form, folder)
        _write(folder, "labels.json", json.dumps(labels(model), indent=2, ensure_ascii=False))
    _write(folder, form.script, (SHIPPED / form.script).read_text("utf-8"))
    _write(folder, "requirements.txt", "".join(f"{name}=={_version(name)}\n" for name in form.packages))
    _write(folder, "MODEL_CARD.md", write_card(run))
    _write_readme(run, model, form, folder)
    if form.name == "docker":
        _write(folder, "service.py", (SHIPPED / "service.py").read_text("utf-8"))
        _write(folder, "Dockerfile", _filled("Dockerfile", python=_python()))


def labels(model: Model) -> dict[str, Any]:
    """What a program beside the graph must know: classes in the order of the outputs, inputs, limits of “unknown”."""
    return {
        "classes": list(model.classes),
        "display_names": dict(model.display_names),
        "inputs": [asdict(i) for i in graph_inputs(model)],
        "outputs": output_names(model),
        "interpolation": "bicubic",
        "unknown_threshold": asdict(model.trust.refusal) if model.trust.refusal else None,
    }


# ----------------------------------------------------------------------------- the bundle


def _write_bundle(run: Run, folder: Path) -> None:
    if run.model_facts.get("format") == 1:
        raise BadModel(
            "This model was made by an early version.",
            "Its file has another shape than the example in the bundle reads.",
            "Train again, or choose another form of export.",
        )
    for name in ("model.safetensors", "model.json"):
        storage.atomic_write(folder / name, (run.path / "model" / name).read_bytes(), durable=False)
    for name in RUN_FILES:
        path = run.path / name
        if path.is_file():
            storage.atomic_write(folder / "run" / name, path.read_bytes(), durable=False)
    sums = {p.relative_to(folder).as_posix(): storage.sha256_of(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    storage.write_json(folder / "checksums.json", sums, durable=False)


# ----------------------------------------------------------------------------- graphs


def _write_graph(model: Model, form: Format, folder: Path) -> None:
    graph = graph_of(model)
    if form.name in ("onnx", "docker") and _bytes(graph) > _MOST_BYTES:
        raise ImgtagError(
            "The model is too large for one file of ONNX.",
            f"It has {_bytes(graph) >> 20:,} MB; a file ends at two gigabytes.",
            "Choose the bundle, or train with a smaller network.",
        )
    makers: dict[str, Callable[[Model, torch.nn.Module, Path], None]] = {
        "onnx": _write_onnx, "docker": _write_onnx, "openvino": _write_openvino, "torchscript": _write_program,
    }  # fmt: skip
    try:
        with _quiet():
            makers[form.name](model, graph, folder)
    except ImgtagError:
        raise
    except Exception as error:  # converters raise nearly anything on a network that they do not know
        raise ImgtagError(
            f"This model cannot be made into {form.kind}.",
            f"One of its networks cannot be converted ({type(error).__name__}).",
            "Choose the bundle, which every model has, or train with another network.",
        ) from error


def _write_onnx(model: Model, graph: torch.nn.Module, folder: Path) -> None:
    import onnx
    import torch

    inputs = graph_inputs(model)
    program = torch.onnx.export(
        graph,
        _example(inputs),
        dynamic_shapes=_any_number(inputs),
        input_names=[i.name for i in inputs],
        output_names=output_names(model),
        verbose=False,
    )
    proto = program.model_proto  # type: ignore[union-attr]
    facts = {key: json.dumps(value, ensure_ascii=False) for key, value in labels(model).items()}
    onnx.helper.set_model_props(proto, {**facts, "made_by": f"imgtag {__version__}"})
    storage.atomic_write(folder / "model.onnx", proto.SerializeToString(), durable=False)


def _write_openvino(model: Model, graph: torch.nn.Module, folder: Path) -> None:
    import openvino

    made = openvino.convert_model(_program(model, graph))
    for place, name in enumerate(output_names(model)):
        made.outputs[place].tensor.set_names({name})
    for place, i in enumerate(graph_inputs(model)):
        made.inputs[place].tensor.set_names({i.name})
    openvino.save_model(made, storage.make_folder(folder) / "model.xml", compress_to_fp16=False)


def _write_program(model: Model, graph: torch.nn.Module, folder: Path) -> None:
    import torch

    data = io.BytesIO()
    torch.export.save(_program(model, graph), data)
    storage.atomic_write(folder / "model.pt2", data.getvalue(), durable=False)


def _program(model: Model, graph: torch.nn.Module) -> torch.export.ExportedProgram:
    import torch

    inputs = graph_inputs(model)
    return torch.export.export(graph, _example(inputs), dynamic_shapes=_any_number(inputs))


def _example(inputs: list[Input]) -> tuple[torch.Tensor, ...]:
    import torch

    return tuple(torch.zeros((2, i.size, i.size, 3), dtype=torch.uint8) for i in inputs)


def _any_number(inputs: list[Input]) -> Any:
    import torch

    number = torch.export.Dim("n", min=1)
    return (tuple({0: number} for _ in inputs),)


def _bytes(graph: torch.nn.Module) -> int:
    return sum(t.numel() * t.element_size() for t in graph.state_dict().values())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Converters remark on much that is none of the user's business, and must not write on stdout."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


# ----------------------------------------------------------------------------- texts


def _write_readme(run: Run, model: Model, form: Format, folder: Path) -> None:
    text = _filled(
        f"readme/{form.name if form.name in ('bundle', 'docker') else 'graph'}.md",
        title=run.project.title,
        kind=form.kind,
        about=form.about,
        classes=[run.display_name(c) for c in model.classes],
        version=__version__,
        python=_python(),
        tag=slug(run.project.name).lower() or "tagger",
        inputs=graph_inputs(model),
        outputs=output_names(model),
        mirror=model.mirror,
        members=len(model.members),
        limits=model.trust.refusal,
    )
    _write(folder, "README.md", text)


def _filled(template: str, **values: Any) -> str:
    templates = Environment(loader=FileSystemLoader(SHIPPED), keep_trailing_newline=True)  # noqa: S701 -- no HTML
    return templates.get_template(template).render(**values)


def _write(folder: Path, name: str, text: str) -> None:
    storage.atomic_write(folder / name, text.encode("utf-8", "replace"), durable=False)


def _version(package: str) -> str:
    return importlib.metadata.version(package).partition("+")[0]  # “2.14.1+cu130” is on no public index


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
