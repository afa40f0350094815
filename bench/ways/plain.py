"""Three tutorials that freeze the backbone and train a new head in a loop of plain PyTorch.

All send every picture through the frozen backbone again in every epoch, in training mode (so that its batch
norms adapt), as the tutorials do. fp32, no compilation, no memory tricks.
"""

from __future__ import annotations

import copy
import math
import time

import torch
from torch import nn
from torchvision import transforms

from bench.outcome import Outcome
from bench.sets import Manifest
from bench.ways.shared import SIZE, TO_TENSOR, WIDTH, Loader, Transform, backbone, count_right, loaders


def frozen(manifest: Manifest, epochs: int = 15, patience: int = 3) -> Outcome:
    """The boats (MLWhiz): stop when the validation loss has not fallen for three epochs, keep the best epoch."""
    torch.manual_seed(manifest.repeat)
    began = time.perf_counter()
    augment = transforms.Compose(
        [
            transforms.RandomResizedCrop(256, scale=(0.8, 1.0)),
            transforms.RandomRotation(15),
            transforms.ColorJitter(),  # changes nothing with its defaults, but stands there
            transforms.RandomHorizontalFlip(),
            transforms.CenterCrop(SIZE),
            *TO_TENSOR,
        ]
    )
    parts = loaders(manifest, augment, batch=32)
    network = _with_head(256, 0.4, len(manifest.classes))
    optimiser = torch.optim.Adam(network.classifier.parameters())
    lowest, best, best_epoch, epoch = math.inf, network.state_dict(), 0, 0
    for epoch in range(1, epochs + 1):
        _train_epoch(network, parts["train"], optimiser)
        loss, _ = _check(network, parts["val"])
        if loss < lowest:
            lowest, best, best_epoch = loss, copy.deepcopy(network.state_dict()), epoch
        elif epoch - best_epoch >= patience:
            break
    network.load_state_dict(best)
    return _outcome(network, parts, began, epoch, epoch * len(manifest.part("train")))


def hidden(manifest: Manifest, epochs: int = 10) -> Outcome:
    """The 102 flowers (freeCodeCamp): stepwise learning rate, keeps the epoch with the best validation accuracy."""
    torch.manual_seed(manifest.repeat)
    began = time.perf_counter()
    augment = transforms.Compose(
        [
            transforms.RandomRotation(30),
            transforms.RandomResizedCrop(SIZE),
            transforms.RandomHorizontalFlip(),
            *TO_TENSOR,
        ]
    )
    parts = loaders(manifest, augment, batch=64)
    network = _with_head(512, 0.2, len(manifest.classes))
    optimiser = torch.optim.Adam(network.classifier.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=4, gamma=0.1)
    highest, best = -1.0, network.state_dict()
    for _ in range(epochs):
        _train_epoch(network, parts["train"], optimiser)
        schedule.step()
        _, accuracy = _check(network, parts["val"])
        if accuracy > highest:
            highest, best = accuracy, copy.deepcopy(network.state_dict())
    network.load_state_dict(best)
    return _outcome(network, parts, began, epochs, epochs * len(manifest.part("train")))


def tiles(manifest: Manifest, epochs: int = 5, check_every: int = 10) -> Outcome:
    """Aerial pictures: no augmentation, a look at all validation pictures every ten steps, the last state is kept."""
    torch.manual_seed(manifest.repeat)
    began = time.perf_counter()
    plain: Transform = transforms.Compose([transforms.Resize((SIZE, SIZE)), *TO_TENSOR])
    parts = loaders(manifest, plain, batch=64, check=plain)
    network = _with_head(512, 0.2, len(manifest.classes))
    optimiser = torch.optim.Adam(network.classifier.parameters(), lr=0.003)
    criterion, step = nn.NLLLoss(), 0
    for _ in range(epochs):
        for x, y in parts["train"]:
            network.train()
            optimiser.zero_grad()
            loss = criterion(network(x), y)
            loss.backward()
            optimiser.step()
            step += 1
            if step % check_every == 0:
                _check(network, parts["val"])
    return _outcome(network, parts, began, epochs, epochs * len(manifest.part("train")))


def _with_head(width: int, dropout: float, classes: int) -> nn.Module:
    network = backbone().requires_grad_(False)
    network.classifier = nn.Sequential(
        nn.Linear(WIDTH, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, classes), nn.LogSoftmax(dim=1)
    )
    return network


def _train_epoch(network: nn.Module, loader: Loader, optimiser: torch.optim.Optimizer) -> None:
    criterion = nn.NLLLoss()
    network.train()
    for x, y in loader:
        optimiser.zero_grad()
        loss = criterion(network(x), y)
        loss.backward()
        optimiser.step()


@torch.no_grad()
def _check(network: nn.Module, loader: Loader) -> tuple[float, float]:
    """Mean loss and accuracy."""
    criterion = nn.NLLLoss(reduction="sum")
    network.eval()
    loss, right, n = 0.0, 0, 0
    for x, y in loader:
        answers = network(x)
        loss += float(criterion(answers, y))
        right += int((answers.argmax(dim=1) == y).sum())
        n += len(y)
    return loss / n, right / n


def _outcome(network: nn.Module, parts: dict[str, Loader], began: float, epochs: int, pictures: int) -> Outcome:
    seconds = time.perf_counter() - began
    return Outcome(seconds, epochs, pictures, count_right(network, parts["val"]), count_right(network, parts["test"]))
