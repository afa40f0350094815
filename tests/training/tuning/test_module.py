"""The module on a toy network: heads that agree with numpy, which layers may change, how fast, by which steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer
from torch import nn
from torch.utils.data import DataLoader

from imgtag.training.head import Scaler, softmax
from imgtag.training.options import OPTIMIZERS, SCHEDULES
from imgtag.training.recipes import Recipe, make_recipe
from imgtag.training.tuning.data import Order, Seen
from imgtag.training.tuning.module import Tagger, TorchHead, fresh_layers

STAGES = 6


class Toy(nn.Module):
    """Six stages of one layer and a normalisation each, on pictures of 4 x 4."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Module()
        self.net.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(48 if not n else 8, 8), nn.BatchNorm1d(8)) for n in range(STAGES)
        )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        x = pictures.float().flatten(1) / 255
        for stage in self.net.blocks:
            x = torch.relu(stage(x)) + x[:, :8] * 0.1
        return x


def head(inputs: int = 8, classes: int = 2, dropout: float = 0.0) -> TorchHead:
    scaler = Scaler(np.zeros(inputs, np.float32), np.ones(inputs, np.float32))
    return TorchHead(scaler, fresh_layers([inputs, classes], 1), dropout)


def recipe(*changes: str) -> Recipe:
    return make_recipe("custom", ["epochs=2", "batch_size=4", *changes])


def on_pictures(*changes: str, weights: np.ndarray | None = None) -> Tagger:
    torch.manual_seed(0)
    made = recipe(*changes)
    return Tagger(made, Toy(), head(dropout=made.dropout), weights, rate=made.rate, probe=True)


def fit(module: Tagger) -> Trainer:
    """Two rounds of three batches of noise."""
    random = np.random.default_rng(0)
    data = Seen(random.integers(0, 256, (12, 4, 4, 3), dtype=np.uint8), np.arange(12) % 2)
    trainer = Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    batches = DataLoader(data, batch_size=4, sampler=Order(12, 0, shuffled=True))  # type: ignore[arg-type]
    trainer.fit(module, batches)
    return trainer


def values(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


# ----------------------------------------------------------------------------- heads


@pytest.mark.parametrize("sizes", [(5, 3), (5, 7, 3), (5, 8, 6, 3)])
def test_a_head_says_in_torch_what_it_says_in_numpy(sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    features = random.normal(3, 2, (10, 5)).astype(np.float16)
    scaler, layers = Scaler.of(features), fresh_layers(sizes, 4)
    layers = [(10 * weight, bias + 0.3) for weight, bias in layers]
    in_torch = TorchHead(scaler, layers, dropout=0.5).eval()(torch.from_numpy(features).float())
    in_numpy = scaler.fold_into(*layers).probabilities(features)
    assert np.allclose(softmax(in_torch.detach().numpy()), in_numpy, atol=1e-5)
    assert in_numpy.std() > 0.1


def test_a_fresh_head_is_the_same_for_the_same_seed_and_favours_no_class() -> None:
    first, again, other = (fresh_layers([50, 20, 4], seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for x, y in zip(first, again, strict=True) for a, b in zip(x, y, strict=True))
    assert not np.array_equal(first[0][0], other[0][0])
    x = torch.randn(64, 50, generator=torch.Generator().manual_seed(0))
    scaler = Scaler(np.zeros(50, np.float32), np.ones(50, np.float32))
    chances = torch.softmax(TorchHead(scaler, first, 0.0)(x), dim=1)
    assert chances.min().item() > 0.1 and chances.max().item() < 0.5


def test_dropout_is_at_work_only_while_learning() -> None:
    module = Tagger(recipe("dropout=0.5", "hidden=8"), None, head(dropout=0.5), None, rate=1e-3, probe=False)
    x = torch.ones(4, 8)
    assert not torch.equal(module.train()(x), module.train()(x))
    assert torch.equal(module.eval()(x), module.eval()(x))


# ----------------------------------------------------------------------------- what may change


def test_all_layers_change_but_no_measured_normalisation() -> None:
    module = on_pictures("layers=all")
    before = values(module)
    fit(module)
    kept = set(before) - changed(before, values(module))
    assert kept == {name for name in before if "running" in name or "num_batches" in name} | {
        "head.mean",
        "head.spread",
    }


def test_partly_leaves_the_earlier_half_bit_identical_and_changes_the_later_one() -> None:
    module = on_pictures("layers=partly")
    before = values(module)
    fit(module)
    moved = changed(before, values(module))
    stages = {int(name.split(".")[3]) for name in moved if name.startswith("network.")}
    assert stages == {3, 4, 5}
    assert {"head.linears.0.weight", "head.linears.0.bias"} <= moved


def test_frozen_with_changed_pictures_learns_the_head_alone() -> None:
    module = on_pictures("layers=frozen", "augmentation=flip")
    before = values(module)
    fit(module)
    assert changed(before, values(module)) == {"head.linears.0.weight", "head.linears.0.bias"}


def test_rates_fall_towards_the_input_by_the_factor() -> None:
    module = on_pictures("layers=all", "stage_factor=0.5", "learning_rate=0.01", "schedule=constant")
    rates = [group["lr"] for group in fit(module).optimizers[0].param_groups]
    assert rates[0] == pytest.approx(0.003), "a head that was fitted already goes carefully"
    assert rates[1:] == pytest.approx([0.01 * 0.5**n for n in range(len(module.groups))])
    last = fit(module).optimizers[0].param_groups[-1]["params"]
    assert last[0] is module.network.net.blocks[0][0].weight  # type: ignore[union-attr]


def test_every_parameter_that_may_change_is_in_one_group() -> None:
    for layers in ("partly", "all"):
        module = on_pictures(f"layers={layers}")
        grouped = [id(p) for group in fit(module).optimizers[0].param_groups for p in group["params"]]
        assert sorted(grouped) == sorted(id(p) for p in module.parameters() if p.requires_grad)


# ----------------------------------------------------------------------------- steps


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [(o, SCHEDULES[n % len(SCHEDULES)]) for n, o in enumerate((*OPTIMIZERS, *OPTIMIZERS[:3]))],
)
def test_every_optimizer_takes_its_steps_with_every_schedule(optimizer: str, schedule: str) -> None:
    module = on_pictures("layers=all", f"optimizer={optimizer}", f"schedule={schedule}")
    before = values(module)
    trainer = fit(module)
    after = values(module)
    assert trainer.global_step == 6
    assert "head.linears.0.weight" in changed(before, after)
    assert all(bool(torch.isfinite(value).all()) for value in after.values())
    wanted = {"auto": "AdamW", "adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "adadelta": "Adadelta"}
    assert type(trainer.optimizers[0]).__name__ == wanted[optimizer]
    rate = trainer.optimizers[0].param_groups[1]["lr"] / module.recipe.rate
    if schedule == "constant":
        assert rate == 1
    else:
        assert rate == pytest.approx({"one-cycle": 0, "cosine": 0, "step": 1e-3}[schedule], abs=1e-3)


def losses(module: Tagger, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    return float(module.train().training_step(batch, 0)["loss"].detach())


def batch_of(labels: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(1)
    return torch.from_numpy(random.integers(0, 256, (len(labels), 4, 4, 3), dtype=np.uint8)), torch.tensor(labels)


def test_mistakes_on_rare_classes_cost_more_with_weights() -> None:
    x, labels = batch_of([0, 0, 0, 1])
    plain, weighted = on_pictures("layers=all"), on_pictures("layers=all", weights=np.array([0.5, 2.0], np.float32))
    own = nn.functional.cross_entropy(plain.eval()(x), labels, reduction="none").detach().numpy()
    assert losses(plain, (x, labels)) == pytest.approx(own.mean(), rel=1e-5)
    expected = (0.5 * own[:3].sum() + 2 * own[3]) / 3.5
    assert losses(weighted, (x, labels)) == pytest.approx(expected, rel=1e-5)
    assert abs(expected - own.mean()) > 1e-4


def test_label_smoothing_asks_for_less_than_certainty() -> None:
    x, labels = batch_of([0, 1, 0, 1])
    smooth = on_pictures("layers=all", "label_smoothing=0.2")
    log_chances = torch.log_softmax(smooth.eval()(x), dim=1).detach()
    target = torch.full((4, 2), 0.1)
    target[torch.arange(4), labels] = 0.9
    assert losses(smooth, (x, labels)) == pytest.approx(float(-(target * log_chances).sum(1).mean()), rel=1e-5)


def test_mixup_blends_pictures_and_labels() -> None:
    x, labels = batch_of([0, 1, 0, 1])
    module = on_pictures("layers=all", "mixup=0.4")
    torch.manual_seed(3)
    mixed = losses(module, (x, labels))
    torch.manual_seed(3)
    assert losses(module, (x, labels)) == mixed
    assert {round(losses(module, (x, labels)), 6) for _ in range(5)} != {round(mixed, 6)}
    same = torch.stack([x[0]] * 4), torch.zeros(4, dtype=torch.int64)  # nothing to mix: the plain loss
    assert losses(module, same) == pytest.approx(losses(on_pictures("layers=all"), same), rel=1e-5)


def test_means_are_over_pictures_and_not_over_batches() -> None:
    module = on_pictures("layers=all")

    class Alone:
        world_size = 1

    module._trainer = Alone()  # type: ignore[assignment]  # the one thing that means() asks of it
    big, small = batch_of([0, 0, 0, 0, 0, 0]), batch_of([1, 1])
    module.eval()
    own: list[Any] = []
    for batch in (big, small):
        module.validation_step(batch, 0)
        own += nn.functional.cross_entropy(module(batch[0]), batch[1], reduction="none").detach().tolist()
    found = module.means()
    assert found["val_loss"] == pytest.approx(math.fsum(own) / 8, rel=1e-5)
    right = sum((module(x).argmax(1) == labels).sum().item() for x, labels in (big, small))
    assert found["val_accuracy"] == right / 8
    assert "train_loss" not in found
