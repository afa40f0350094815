"""The engine that turns pictures into features: the fastest one this machine has, checked against torch.

OpenVINO (bf16 or fp32) runs the backbone 6 to 14 times faster than eager PyTorch on a CPU. The converted
network is kept under IMGTAG_HOME/.cache together with what was measured, so that later starts load neither
torch nor timm.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imgtag.core import locks, storage
from imgtag.core.settings import home
from imgtag.training.backbones import Backbone
from imgtag.training.networks import build
from imgtag.training.weights import pretrained_weights

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

Network = Callable[[np.ndarray], np.ndarray]

_LEAST_COSINE = 0.995
_BENCH_BATCH = 8
_MOST_TUNED = 12  # fine-tuned networks that are kept converted (18 MB and up each); others are converted again


@dataclass(frozen=True)
class Extractor:
    """A ready engine. `run` maps uint8 (n, size, size, 3) to float32 features (n, dimensions)."""

    run: Network
    engine: str
    reason: str
    batch: int = 8

    @property
    def exact(self) -> bool:
        """Whether it computes in single precision, and not in the faster and rougher bfloat16 or on a GPU."""
        return self.engine in ("PyTorch", "OpenVINO fp32")


@dataclass(frozen=True)
class Tuned:
    """Weights of a fine-tuned network in place of the pretrained ones.

    key: names the content (part of a sha256). read: gives the weights under the names of `networks.build`.
    """

    key: str
    read: Callable[[], Mapping[str, np.ndarray]]


def weights_file(row: Backbone) -> Path:
    """The backbone's pretrained weights as safetensors; written on first use."""
    path = _folder(row, None) / "backbone.safetensors"
    if not path.exists():
        _prepare(row, None)
    return path


def load_extractor(row: Backbone, tuned: Tuned | None = None, *, gpu_allowed: bool = True) -> Extractor:
    """The fastest engine for a backbone. The first call on a machine converts and measures (seconds)."""
    if gpu_allowed and _has_gpu():
        gpu = _torch_gpu(row, tuned)
        if gpu:
            return gpu
    found = storage.read_json(_folder(row, tuned) / "engine.json", {})
    if found.get("made_for") != made_for():
        found = _prepare(row, tuned)
    why = "because no GPU was found" if gpu_allowed else "as you chose"
    reason = f"CPU, {why}. {_comparison(found['precision'], found['pictures_per_second'])}"
    if found["engine"] == "torch":
        return Extractor(_torch_network(row, tuned, "cpu"), "PyTorch", reason)
    try:
        network = _openvino_network(_folder(row, tuned) / "network.xml", found["precision"])
    except RuntimeError as error:
        log.warning("OpenVINO failed, using PyTorch: %s", error)
        return Extractor(_torch_network(row, tuned, "cpu"), "PyTorch", "OpenVINO could not be started.")
    return Extractor(network, f"OpenVINO {found['precision']}", reason)


def load_exact(row: Backbone, tuned: Tuned | None = None) -> Extractor:
    """The slow engine in single precision, by which others are measured."""
    return Extractor(_torch_network(row, tuned, "cpu"), "PyTorch", "CPU, in single precision.")


def load_module(row: Backbone, tuned: Tuned | None = None) -> torch.nn.Module:
    """The network itself, in PyTorch on the processor: slower, but it can be looked into."""
    return build(row, _read_weights(row, tuned))


def forget(row: Backbone, tuned: Tuned) -> None:
    """Throw away the converted form of a fine-tuned network that is not used after all."""
    storage.remove_folder(_folder(row, tuned))


def known_speed(row: Backbone) -> float | None:
    """Pictures a second that the chosen engine did when it was measured here; None when it never was."""
    on_gpu = storage.read_json(_folder(row, None) / "gpu.json", {}) if _has_gpu() else {}
    if on_gpu.get("made_for") == made_for():
        return float(on_gpu["pictures_per_second"])
    found = storage.read_json(_folder(row, None) / "engine.json", {})
    if found.get("made_for") != made_for():
        return None
    return float(found["pictures_per_second"][found["precision"]])


# ----------------------------------------------------------------------------- preparing


def _prepare(row: Backbone, tuned: Tuned | None) -> dict[str, Any]:
    """Convert the network, compare every engine with torch, remember the fastest that agrees."""
    folder = storage.make_folder(_folder(row, tuned))
    with locks.locked(folder / ".lock", wait_s=600):  # two processes may want it at once: a training and a measurement
        found = storage.read_json(folder / "engine.json", {})
        return found if found.get("made_for") == made_for() else _prepare_alone(row, tuned, folder)


def _prepare_alone(row: Backbone, tuned: Tuned | None, folder: Path) -> dict[str, Any]:
    import torch
    from safetensors.torch import save

    weights = _read_weights(row, tuned)
    if tuned is None:
        storage.atomic_write(folder / "backbone.safetensors", save(weights))
    module = build(row, weights)
    size = row.preprocessing.size
    sample = np.random.default_rng(0).integers(0, 256, (_BENCH_BATCH, size, size, 3), dtype=np.uint8)

    def in_torch(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(pictures)).numpy())

    truth = in_torch(sample)
    # A fine-tuned network runs on the engine of its pretrained one: the same run gives the same figures again.
    chosen = storage.read_json(_folder(row, None) / "engine.json", {}) if tuned else {}
    speeds = {"torch": _pictures_per_second(in_torch, sample)}
    try:
        _convert(module, size, folder)
        for precision in [chosen["precision"]] if chosen and chosen["engine"] == "openvino" else _precisions():
            network = _openvino_network(folder / "network.xml", precision)
            cosine = _least_cosine(network(sample), truth)
            if cosine >= _LEAST_COSINE:
                speeds[precision] = _pictures_per_second(network, sample)
            else:
                log.warning("%s features differ from torch (cosine %.4f); not used", precision, cosine)
    except Exception as error:  # OpenVINO is an accelerator: without it everything still works
        log.warning("OpenVINO is not usable here: %s", error)
    best = max(speeds, key=lambda name: speeds[name])
    if chosen and chosen["precision"] in speeds:
        best = chosen["precision"]
    found = {
        "made_for": made_for(),
        "engine": "torch" if best == "torch" else "openvino",
        "precision": best,
        "pictures_per_second": {name: round(speed, 1) for name, speed in speeds.items()},
    }
    storage.write_json(folder / "engine.json", found)
    if tuned:
        _forget_the_oldest(folder)
    return found


def _forget_the_oldest(newest: Path) -> None:
    """Fine-tuned networks of years would fill the disk; the models themselves keep their weights."""
    made = {path.parent: path.stat().st_mtime for path in newest.parent.glob("*-" + 16 * "[0-9a-f]" + "/engine.json")}
    for folder in sorted(made.keys() - {newest}, key=lambda f: made[f])[: -(_MOST_TUNED - 1)]:
        storage.remove_folder(folder)


def _read_weights(row: Backbone, tuned: Tuned | None) -> dict[str, Any]:
    import torch

    if tuned:
        return {name: torch.from_numpy(np.array(value)) for name, value in tuned.read().items()}
    stored = _folder(row, None) / "backbone.safetensors"
    if stored.exists():
        from safetensors.torch import load_file

        return load_file(stored)
    return pretrained_weights(row)


def _convert(module: Any, size: int, folder: Path) -> None:
    import openvino
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # OpenVINO still traces; torch announces that tracing will go
        example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
        model = openvino.convert_model(module, example_input=example)
    model.reshape([-1, size, size, 3])
    temporary = storage.make_folder(folder / "converting")
    openvino.save_model(model, temporary / "network.xml", compress_to_fp16=False)
    for name in ("network.bin", "network.xml"):
        os.replace(temporary / name, folder / name)
    storage.remove_folder(temporary)


def _precisions() -> list[str]:
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ["f32", "bf16"] if "BF16" in able else ["f32"]


def _openvino_network(path: Path, precision: str) -> Network:
    os.environ.setdefault("OPENVINO_TELEMETRY", "0")
    import openvino

    options = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(path, "CPU", options).create_infer_request()

    def run(pictures: np.ndarray) -> np.ndarray:
        return np.array(request.infer([pictures], share_inputs=True)[0], dtype=np.float32)

    return run


def _torch_network(row: Backbone, tuned: Tuned | None, device: str) -> Network:
    import torch

    module = load_module(row, tuned).to(device)

    def run(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(pictures).to(device)).float().cpu().numpy())

    return run


def _torch_gpu(row: Backbone, tuned: Tuned | None) -> Extractor | None:
    import torch

    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        words, network, batch = name, _torch_network(row, tuned, "cuda"), 64
    elif torch.backends.mps.is_available():
        words, network, batch = "Apple GPU", _torch_network(row, tuned, "mps"), 32
    else:
        return None
    measured = _folder(row, None) / "gpu.json"
    if storage.read_json(measured, {}).get("made_for") != made_for():
        size = row.preprocessing.size
        speed = _pictures_per_second(network, np.zeros((batch, size, size, 3), np.uint8))
        storage.write_json(measured, {"made_for": made_for(), "pictures_per_second": round(speed, 1)})
    return Extractor(network, f"PyTorch on {words}", f"A GPU was found: {words}.", batch)


# ----------------------------------------------------------------------------- measuring


def _pictures_per_second(network: Network, sample: np.ndarray) -> float:
    network(sample)  # the first call builds kernels
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        network(sample)
        best = min(best, time.perf_counter() - began)
    return len(sample) / best


def _least_cosine(a: np.ndarray, b: np.ndarray) -> float:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(axis=1) / lengths).min())


def _comparison(best: str, speeds: dict[str, float]) -> str:
    words = {"torch": "PyTorch", "f32": "OpenVINO fp32", "bf16": "OpenVINO bf16"}
    listed = ", ".join(f"{words[n]} {s:.0f}" for n, s in sorted(speeds.items(), key=lambda x: -x[1]))
    return f"{words[best]} was the fastest here (pictures a second: {listed})."


def _has_gpu() -> bool:
    """A cheap look, so that machines without a GPU need not load torch to learn it."""
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return apple or shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists() or Path("/dev/kfd").exists()


def made_for() -> str:
    """The libraries and the machine that a measurement holds for."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("openvino", "torch", "timm")]
    return f"{'; '.join(versions)}; {platform.machine()} {os.cpu_count()}"


def _folder(row: Backbone, tuned: Tuned | None) -> Path:
    key = f"{row.cache_key}-{tuned.key}" if tuned else row.cache_key
    return home() / ".cache" / "backbones" / key
