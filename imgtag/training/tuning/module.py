"""What Lightning trains: a network with a head, its loss, optimizer and schedule."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import nn
from torch.nn import functional

from imgtag.training import parallel
from imgtag.training.head import Scaler
from imgtag.training.networks import depth_groups
from imgtag.training.recipes import Recipe

_WEIGHT_DECAY = 0.02
_WARM_UP = 0.25  # share of a one-cycle in which the step size grows

Layers = Sequence[tuple[np.ndarray, np.ndarray]]


class TorchHead(nn.Module):
    """The layers of a head over standardised features, with dropout before each and ReLU between them."""

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, scaler: Scaler, layers: Layers, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(scaler.mean))
        self.register_buffer("spread", torch.from_numpy(scaler.spread))
        self.linears = nn.ModuleList()
        for weight, bias in layers:
            linear = nn.Linear(weight.shape[1], weight.shape[0])
            linear.weight.data = torch.from_numpy(weight.astype(np.float32).copy())
            linear.bias.data = torch.from_numpy(bias.astype(np.float32).copy())
            self.linears.append(linear)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (n, K) of raw features (n, D)."""
        x = (features - self.mean) / self.spread
        for i, linear in enumerate(self.linears):
            x = linear(self.dropout(functional.relu(x) if i else x))
        return x


def fresh_layers(sizes: Sequence[int], seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Random layers from inputs to outputs (He et al. 2015); the last starts near zero: no class is favoured."""
    random = np.random.default_rng(seed)
    layers = []
    for i, (inputs, outputs) in enumerate(pairwise(sizes)):
        gain = 0.1 if i == len(sizes) - 2 else 1.0
        weight = random.standard_normal((outputs, inputs)) * gain * np.sqrt(2.0 / inputs)
        layers.append((weight.astype(np.float32), np.zeros(outputs, np.float32)))
    return layers


class Tagger(LightningModule):
    """A head on features, or a network with a head on pictures; `network` None means features come in.

    probe: the head was fitted already and must not be thrown over by large first steps.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module | None,
        head: TorchHead,
        class_weights: np.ndarray | None,
        *,
        rate: float,
        probe: bool,
    ) -> None:
        super().__init__()
        self.recipe, self.network, self.head = recipe, network, head
        self.learning_rate, self.probe = rate, probe
        self.class_weights = None if class_weights is None else torch.from_numpy(class_weights)
        self.sums = {"train": np.zeros(3), "val": np.zeros(3)}  # loss, right, pictures
        self.groups: list[list[str]] = depth_groups(network) if network is not None else []
        if network is not None:
            network.requires_grad_(False)
            trained = {name for group in self.groups[self.first_trained :] for name in group}
            for name, parameter in network.named_parameters():
                parameter.requires_grad_(name in trained)
        self.train()  # Lightning takes modes as they are

    @property
    def first_trained(self) -> int:
        """The first of the depth groups that may change."""
        return {"frozen": len(self.groups), "partly": (len(self.groups) + 1) // 2, "all": 0}[self.recipe.layers]

    def train(self, mode: bool = True) -> Tagger:
        """Only the head has a training mode: normalisation measured on a million photographs is better than on a
        batch of a few, and so is the network without its own dropout."""
        super().train(mode)
        if self.network is not None:
            self.network.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (n, K) of pictures (n, size, size, 3), 0..255, or of features (n, D)."""
        if self.network is None:
            return torch.as_tensor(self.head(x.float()))
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.recipe.layers != "frozen"):
            features = self.network(x)
        return torch.as_tensor(self.head(features.float()))

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _number: int) -> dict[str, Any]:
        """Mean loss of one batch, with mixup and label smoothing as the recipe says, and how many it got right."""
        x, labels = batch
        smoothing, weight = self.recipe.label_smoothing, self._class_weights(labels.device)
        if self.recipe.mixup:
            # mixup: Zhang et al. 2018, arXiv 1710.09412
            part = float(
                np.random.default_rng(int(torch.randint(2**31, ()))).beta(self.recipe.mixup, self.recipe.mixup)
            )
            other = torch.randperm(len(x)).to(x.device)
            logits = self(part * x.float() + (1 - part) * x[other].float())
            losses = [
                functional.cross_entropy(logits, to, weight, label_smoothing=smoothing)
                for to in (labels, labels[other])
            ]
            loss = part * losses[0] + (1 - part) * losses[1]
        else:
            logits = self(x)
            loss = functional.cross_entropy(logits, labels, weight, label_smoothing=smoothing)
        return {"loss": loss, "right": self._count("train", loss, logits, labels)}

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _number: int) -> None:
        """Count loss and right answers of one batch."""
        x, labels = batch
        logits = self(x)
        self._count("val", functional.cross_entropy(logits, labels), logits, labels)

    def on_train_epoch_start(self) -> None:
        """A new round counts anew, and its chances (dropout, mixup) depend on nothing but its number."""
        self.sums["train"][:] = 0
        torch.manual_seed((self.recipe.seed * 10_007 + self.current_epoch) * 1009 + parallel.rank())

    def on_validation_epoch_start(self) -> None:
        """A new check counts anew."""
        self.sums["val"][:] = 0

    def on_train_epoch_end(self) -> None:
        """Without validation pictures the training loss decides."""
        if not self.sums["val"][2]:
            self.log_dict(self.means())

    def on_validation_epoch_end(self) -> None:
        """Tell early stopping and the checkpoints how it went, over all processes."""
        self.log_dict(self.means())

    def means(self) -> dict[str, float]:
        """train_loss, train_accuracy, val_loss, val_accuracy of the round so far, over all processes."""
        found = {}
        for part, sums in self.sums.items():
            total = torch.tensor(sums, dtype=torch.float64)
            if self.trainer.world_size > 1:
                torch.distributed.all_reduce(total)
            if total[2] > 0:
                found[f"{part}_loss"], found[f"{part}_accuracy"] = (float(total[i] / total[2]) for i in (0, 1))
        return found

    def configure_optimizers(self) -> Any:
        """The optimizer with one group of parameters for each depth, and the schedule."""
        groups = self._parameter_groups()
        rates = [group["lr"] for group in groups]
        name = self.recipe.steps_with
        optimizer: torch.optim.Optimizer
        if name == "sgd":
            optimizer = torch.optim.SGD(groups, lr=self.learning_rate, momentum=0.9, weight_decay=1e-4)
        elif name == "adadelta":
            optimizer = torch.optim.Adadelta(groups, lr=self.learning_rate)
        elif name == "adam":
            optimizer = torch.optim.Adam(groups, lr=self.learning_rate)
        else:
            optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=_WEIGHT_DECAY)
        schedule = self._schedule(optimizer, rates, momentum=name != "adadelta")
        if schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """The head, and the network's groups with ever smaller rates towards its input (Howard & Ruder 2018)."""
        head_rate = self.learning_rate * (0.3 if self.probe else 1.0)
        groups: list[dict[str, Any]] = [{"params": list(self.head.parameters()), "lr": head_rate}]
        if self.network is not None:
            parameters = dict(self.network.named_parameters())
            rate = self.learning_rate
            for names in reversed(self.groups[self.first_trained :]):
                groups.append({"params": [parameters[n] for n in names], "lr": rate})
                rate *= self.recipe.stage_factor
        return groups

    def _schedule(self, optimizer: torch.optim.Optimizer, rates: list[float], *, momentum: bool) -> Any:
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        if self.recipe.schedule == "one-cycle":
            total = max(5, steps + 1)  # of exactly 4, torch makes a warm-up of no length and divides by it
            return torch.optim.lr_scheduler.OneCycleLR(
                optimizer, max_lr=rates, total_steps=total, pct_start=_WARM_UP, cycle_momentum=momentum
            )
        if self.recipe.schedule == "cosine":
            return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        if self.recipe.schedule == "step":
            return torch.optim.lr_scheduler.StepLR(optimizer, step_size=max(1, -(-steps // 3)))
        return None

    def _count(self, part: str, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> float:
        right = float((logits.argmax(dim=1) == labels).sum())
        self.sums[part] += (float(loss.detach()) * len(labels), right, len(labels))
        return right

    def _class_weights(self, device: torch.device) -> torch.Tensor | None:
        return None if self.class_weights is None else self.class_weights.to(device)
