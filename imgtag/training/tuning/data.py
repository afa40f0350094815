"""Batches for step-by-step learning: of pictures, decoded and changed at random, or of cached features."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from imgtag.core.errors import BadPicture
from imgtag.data.dataset import Whereabouts
from imgtag.training import parallel
from imgtag.training.augmentation import augmentation, roomy_input
from imgtag.training.backbones import Preprocessing
from imgtag.training.features import network_input


class Pictures:
    """Pictures from their files; `names` are augmentations, None prepares as for prediction.

    A file that has become unreadable since it was looked at is grey: a round is never lost to it.
    """

    def __init__(
        self,
        paths: Sequence[Path] | Whereabouts,
        labels: np.ndarray,
        how: Preprocessing,
        names: Sequence[str] | None,
        seed: int,
    ) -> None:
        self.paths, self.labels, self.how, self.names, self.seed = paths, labels, how, names, seed
        self._change: Any = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: tuple[int, int]) -> tuple[torch.Tensor, int]:
        """(uint8 (size, size, 3), label) of a position in a given round: the same round changes it the same way."""
        position, epoch = place
        label = int(self.labels[position])
        try:
            if self.names is None:
                return torch.tensor(network_input(self.paths[position], self.how)), label
            if self._change is None:
                self._change = augmentation(self.names, self.how.size)
            picture = roomy_input(self.paths[position], self.how)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(((self.seed * 1_000_003 + epoch) * 1_000_003 + position) % 2**63)
                return self._change(picture).permute(1, 2, 0).contiguous(), label
        except BadPicture:
            return torch.full((self.how.size, self.how.size, 3), 127, dtype=torch.uint8), label


class Seen:
    """Features instead of pictures, float16 (N, D)."""

    def __init__(self, features: np.ndarray, labels: np.ndarray) -> None:
        self.features, self.labels = features, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: tuple[int, int]) -> tuple[np.ndarray, int]:
        """(features (D,), label) of a position; the round does not matter."""
        return self.features[place[0]], int(self.labels[place[0]])


class Order(Sampler[tuple[int, int]]):
    """(position, round) of this process's share, in an order that depends on seed and round only.

    So a resumed run goes on exactly as it would have, and all processes together see what one alone would see.
    """

    def __init__(self, count: int, seed: int, *, shuffled: bool, weights: np.ndarray | None = None) -> None:
        self.count, self.seed, self.shuffled, self.weights = count, seed, shuffled, weights
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each round."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._all()[parallel.rank() :: parallel.world()])

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter([(int(i), self.epoch) for i in self._all()[parallel.rank() :: parallel.world()]])

    def _all(self) -> np.ndarray:
        if not self.shuffled:
            # Shares may be unequal, but none empty: who has nothing to check would not meet the others after it.
            return np.resize(np.arange(self.count), max(self.count, parallel.world()))
        random = np.random.default_rng([self.seed, self.epoch])
        if self.weights is not None:
            order = random.choice(self.count, self.count, p=self.weights / self.weights.sum())
        else:
            order = random.permutation(self.count)
        return np.resize(order, self.count + -self.count % parallel.world())  # every process must take as many steps


def loader(
    data: Pictures | Seen,
    batch_size: int,
    seed: int,
    *,
    shuffled: bool,
    weights: np.ndarray | None = None,
    ahead: bool = False,
) -> DataLoader[Any]:
    """Batches for this process; `batch_size` counts the pictures of all processes together.

    ahead: pictures are decoded by processes beside a GPU, which must not wait for them; where a processor learns,
    they would only take its time.
    """
    options: dict[str, Any] = {}
    if ahead and isinstance(data, Pictures):
        # Not by fork: the GPU's driver does not survive it. Windows has no server to fork from.
        how = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        workers = min(8, os.cpu_count() or 1)
        options = {"num_workers": workers, "persistent_workers": True, "multiprocessing_context": how}
    return DataLoader(
        data,  # type: ignore[arg-type]  # anything with a length and items will do
        batch_size=max(1, -(-batch_size // parallel.world())),
        sampler=Order(len(data), seed, shuffled=shuffled, weights=weights),
        pin_memory=ahead,
        **options,
    )
