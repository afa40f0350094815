"""Learning step by step: a head with hidden layers on cached features, or the network itself on pictures.

PyTorch Lightning does the loop: early stopping, the best checkpoint, resuming, mixed precision, several devices.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.tuner.tuning import Tuner
from torch import nn

from imgtag.core import storage
from imgtag.core.errors import ImgtagError
from imgtag.training import parallel
from imgtag.training.backbones import Backbone
from imgtag.training.estimates import FINDER_STEPS, MEASURED_STEPS, remember_step
from imgtag.training.fitting import Fitted, class_weights
from imgtag.training.head import Scaler
from imgtag.training.looking import Rows
from imgtag.training.networks import build
from imgtag.training.progress import Watch
from imgtag.training.recipes import Recipe
from imgtag.training.runs import Run, files_of
from imgtag.training.tuning import BEST, BEST_HEAD, LAST
from imgtag.training.tuning.data import Pictures, Seen, loader
from imgtag.training.tuning.module import Tagger, TorchHead, fresh_layers
from imgtag.training.tuning.reporting import Reporter, SafeCheckpoints
from imgtag.training.weights import pretrained_weights

log = logging.getLogger(__name__)

_PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}  # Lightning's names


@dataclass(frozen=True)
class Learnt:
    """What came of learning: the head, the network's weights if it changed, and how it went."""

    fitted: Fitted
    weights: dict[str, np.ndarray] | None
    note: str = ""


def learn_head(run: Run, watch: Watch, train: Rows, val: Rows, number: int = 0) -> Learnt:
    """A head with hidden layers, dropout and optimizer as the recipe says, on features: seconds."""
    recipe = run.recipe
    features, labels = train.learnt_features, train.learnt_labels
    layers = fresh_layers([features.shape[1], *recipe.hidden, len(run.classes)], recipe.seed)
    data = (Seen(features, labels), Seen(val.views[0], val.labels) if len(val) else None)
    phase = f"learning {number}" if number else "learning"
    return _learn(run, watch, None, Scaler.of(features), layers, data, labels, phase=phase)


def tune_network(run: Run, watch: Watch, row: Backbone, train: Rows, val: Rows, start: Fitted) -> Learnt:
    """Network and head on pictures, from a head fitted already (LP-FT: Kumar et al. 2022, arXiv 2202.10054)."""
    recipe = run.recipe
    network = build(row, pretrained_weights(row))
    network = network.to(memory_format=torch.channels_last)  # twice as fast for convolutions on processors

    def pictures(rows: Rows, names: Sequence[str] | None) -> Pictures:
        return Pictures(files_of(run, rows.manifest), rows.labels, row.preprocessing, names, recipe.seed)

    data = (pictures(train, recipe.augmentation), pictures(val, None) if len(val) else None)
    return _learn(run, watch, network, start.scaler, start.layers, data, train.labels, phase="tuning")


def _learn(
    run: Run,
    watch: Watch,
    network: nn.Module | None,
    scaler: Scaler,
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
    data: tuple[Any, Any],
    labels: np.ndarray,
    *,
    phase: str,
) -> Learnt:
    recipe, classes = run.recipe, len(run.classes)
    watch.facts["learns_on"] = _device_in_words(recipe)
    torch.manual_seed(recipe.seed)
    weights = class_weights(labels, classes)
    per_class = _per_class(labels, weights, classes) if recipe.balance == "weights" else None
    drawn = weights.astype(np.float64) if recipe.balance == "sampling" else None
    probe = network is not None  # its head was fitted already

    def fresh_module(rate: float) -> Tagger:
        return Tagger(recipe, network, TorchHead(scaler, layers, recipe.dropout), per_class, rate=rate, probe=probe)

    ahead = _kind_of_device(recipe) == "cuda"
    train_data = loader(data[0], recipe.batch_size, recipe.seed, shuffled=True, weights=drawn, ahead=ahead)
    val_data = None
    if data[1] is not None:
        val_data = loader(data[1], 2 * recipe.batch_size, recipe.seed, shuffled=False, ahead=ahead)
    plan = _plan(run, watch, fresh_module, train_data, val_data, phase)
    module = fresh_module(plan["rate"])
    if network is not None and plan["epochs"] < 1:
        note = "The time that was left did not allow one round of fine-tuning: the network stayed as it was."
        return Learnt(Fitted(scaler, tuple(layers), 0, None, False), None, note)
    watch.expect({phase: plan["seconds"]})
    budget = _seconds_allowed(recipe, watch) if network is not None else math.inf
    reporter = Reporter(watch, epochs=plan["epochs"], validates=val_data is not None, phase=phase, most_seconds=budget)
    watch.phase(phase, "Learning begins", 0, 0)
    best = _fit(run, module, train_data, val_data, plan, reporter)
    module.load_state_dict(best)
    learnt_layers = tuple(
        (linear.weight.detach().cpu().numpy().copy(), linear.bias.detach().cpu().numpy().copy())
        for linear in module.head.linears
        if isinstance(linear, nn.Linear)
    )
    changed = None
    if network is not None and recipe.layers != "frozen":
        changed = {n.removeprefix("net."): v.detach().cpu().numpy() for n, v in network.state_dict().items()}
        changed = {n: np.array(v, order="C") for n, v in changed.items() if n not in ("mean", "std")}
    fitted = Fitted(scaler, learnt_layers, reporter.best_epoch, None, reporter.stopped)
    return Learnt(fitted, changed)


def _fit(
    run: Run, module: Tagger, train_data: Any, val_data: Any, plan: dict[str, Any], reporter: Reporter
) -> dict[str, Any]:
    """Train; returns the state of the best round. Checkpoints of a network stay until the run has its result."""
    measure = "val_loss" if val_data is not None else "train_loss"
    resumable = reporter.phase == "tuning"  # a head is learnt again in seconds
    best_file = BEST if resumable else BEST_HEAD
    callbacks: list[Callback] = [reporter]
    callbacks.append(EarlyStopping(measure, patience=run.recipe.patience, check_on_train_epoch_end=val_data is None))
    callbacks.append(_checkpoint(run, best_file, measure, validates=val_data is not None))
    if resumable:
        callbacks.append(_checkpoint(run, LAST, None, validates=val_data is not None))
    last = run.path / LAST
    with _quiet():
        trainer = _trainer(run, callbacks, plan["epochs"])
        trainer.fit(
            module, train_data, val_data, ckpt_path=last if resumable and last.exists() else None, weights_only=True
        )
    if reporter.best_epoch == 0:
        parallel.wait_for_all()
        if trainer.is_global_zero:
            _remove(run, best_file, LAST)
        raise ImgtagError(
            "The learning broke down: the loss is no number any more.",
            "This happens when the step size (learning rate) is too large.",
            "Choose a smaller one, or let it be found.",
        )
    parallel.wait_for_all()
    best = torch.load(run.path / best_file, map_location="cpu", weights_only=True)
    state: dict[str, Any] = best["state_dict"]
    parallel.wait_for_all()
    if trainer.is_global_zero and not resumable:
        _remove(run, best_file)
    return state


def _checkpoint(run: Run, name: str, measure: str | None, *, validates: bool) -> ModelCheckpoint:
    """One file that is written after each round, or after the best by a measure; for that one the weights will do."""
    return ModelCheckpoint(
        run.path,
        name.removesuffix(".ckpt"),
        measure,
        save_weights_only=measure is not None,
        enable_version_counter=False,
        auto_insert_metric_name=False,
        save_on_train_epoch_end=not validates,
    )


def _remove(run: Run, *names: str) -> None:
    for name in names:
        storage.remove_file(run.path / name)


def _trainer(run: Run, callbacks: list[Callback], epochs: int) -> Trainer:
    several = parallel.world() > 1
    return Trainer(
        accelerator="cpu" if _kind_of_device(run.recipe) == "cpu" else "gpu",
        devices=parallel.local_world(),
        num_nodes=max(1, parallel.world() // parallel.local_world()),
        # Without buffers there is nothing to exchange while validating, where the processes have unequal shares.
        strategy=DDPStrategy(broadcast_buffers=False, find_unused_parameters=False) if several else "auto",
        precision=_PRECISIONS[_precision(run.recipe)],
        max_epochs=epochs,
        callbacks=callbacks,
        plugins=[SafeCheckpoints()],
        default_root_dir=run.path,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        benchmark=None,
    )


def _plan(run: Run, watch: Watch, fresh_module: Any, train_data: Any, val_data: Any, phase: str) -> dict[str, Any]:
    """Rounds, step size and expected seconds. Made once; a resumed run follows the plan that it began with."""
    kept = run.path / f"plan {phase}.json"
    plan = storage.read_json(kept)
    if plan is None:
        recipe = run.recipe
        seconds = 0.0
        if phase == "tuning":
            watch.phase("measuring", "Measuring how fast this computer fine-tunes")
            seconds = seconds_per_step(fresh_module(recipe.rate), *next(iter(train_data)))
            if parallel.world() == 1:
                remember_step(recipe, seconds)
        steps = len(train_data)
        per_epoch = seconds * (steps + (len(val_data) * 0.7 if val_data is not None else 0))  # two batches, no way back
        epochs, rate = recipe.epochs, recipe.rate
        if recipe.minutes and per_epoch:
            left = _seconds_allowed(recipe, watch) - watch.seconds - watch.planned("finding")
            epochs = min(epochs, math.floor(left / (1.1 * per_epoch)))
        if recipe.find_rate and epochs >= 1:
            rate = _found_rate(run, watch, fresh_module(rate), train_data) or rate
        plan = {"epochs": epochs, "rate": rate, "found": watch.facts.get("found_rate"), "seconds": per_epoch * epochs}
        plan = parallel.of_the_first(plan)
        if parallel.rank() == 0:
            storage.write_json(kept, plan)
    if plan.get("found"):
        watch.facts["found_rate"] = plan["found"]  # a resumed run says it again
    return dict(plan)


def _seconds_allowed(recipe: Recipe, watch: Watch) -> float:
    """When the learning must have ended, in seconds of the run: what it learnt is checked within the budget too."""
    return 60 * recipe.minutes - watch.planned("checking") if recipe.minutes else math.inf


def seconds_per_step(module: Tagger, x: torch.Tensor, labels: torch.Tensor) -> float:
    """Time of one step forth and back on a batch, the best of two after one that warms up; the weights stay."""
    device = torch.device(_kind_of_device(module.recipe))
    module.to(device).train()
    best = math.inf
    for attempt in range(MEASURED_STEPS):
        began = time.monotonic()
        loss = nn.functional.cross_entropy(module(x.to(device)), labels.to(device))
        torch.autograd.backward(loss)
        float(loss.detach())  # waits for a GPU
        if attempt:
            best = min(best, time.monotonic() - began)
    module.zero_grad()
    return best


def _found_rate(run: Run, watch: Watch, module: Tagger, train_data: Any) -> float | None:
    """Lightning's learning-rate finder (Smith 2017, arXiv 1506.01186): the steepest place of the curve."""
    if parallel.world() > 1:
        log.info("the learning-rate finder needs one process; the usual rate is taken")
        return None
    watch.phase("finding", "Looking for the step size (learning rate)")
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with _quiet(), contextlib.redirect_stderr(io.StringIO()):  # a bar for terminals
        trainer = _trainer(run, [], 10_000)  # as many rounds as the steps need
        found: Any = Tuner(trainer).lr_find(
            module, train_data, min_lr=1e-6, max_lr=1.0, num_training=FINDER_STEPS, attr_name="learning_rate"
        )
    module.load_state_dict(before)  # the network is shared with the module that will learn
    if found is None:
        return None
    for rate, loss in zip(found.results["lr"], found.results["loss"], strict=False):
        watch.measured("finding", rate=float(rate), loss=float(loss))
    chosen = found.suggestion()
    watch.facts["found_rate"] = chosen
    return float(chosen) if chosen else None


def _per_class(labels: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    """The weight of each class, float32 (K,), from those of the rows; 1 where there is no row."""
    per_class = np.ones(classes, np.float32)
    per_class[labels] = weights
    return per_class


def _precision(recipe: Recipe) -> str:
    """Half precision is faster on GPUs; on processors learning in it was slower (measured), so auto is fp32 there."""
    wanted = recipe.precision
    if wanted == "auto":
        nvidia = _kind_of_device(recipe) == "cuda"
        wanted = ("bf16" if torch.cuda.is_bf16_supported() else "fp16") if nvidia else "fp32"
    return wanted


def _device_in_words(recipe: Recipe) -> str:
    """What computes the steps, and why."""
    kind = _kind_of_device(recipe)
    if kind == "cpu":
        why = "as you chose" if recipe.devices == "cpu" else "because no GPU was found"
        return f"PyTorch Lightning {_precision(recipe)} on the CPU, {why}"
    name = torch.cuda.get_device_name() if kind == "cuda" else "the Apple GPU"
    several = f", {parallel.world()} of them" if parallel.world() > 1 else ""
    return f"PyTorch Lightning {_precision(recipe)} on {name}{several}"


def _kind_of_device(recipe: Recipe) -> str:
    """cuda, mps or cpu: the first that is there and wanted."""
    if recipe.devices == "cpu":
        return "cpu"
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


class _quiet(warnings.catch_warnings):
    """Lightning's advice is for programmers; what users need is in the run folder."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        for name in ("pytorch_lightning", "lightning", "pytorch_lightning.utilities.rank_zero"):
            logging.getLogger(name).setLevel(logging.WARNING)
