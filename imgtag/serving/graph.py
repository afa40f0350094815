"""A model as one network for other programs: bytes of pictures in, probabilities out.

Normalisation, mirrored views, the shares of the members and the temperature are inside, and what makes a picture
familiar; only the resizing of pictures is left outside. What it gives is what `predictor` gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imgtag.training.extractor import load_module
from imgtag.training.model import Model
from imgtag.training.trust import NEIGHBOURS, Familiar

if TYPE_CHECKING:
    import torch

_LEAST = 1e-12  # as in `trust.tempered`


@dataclass(frozen=True)
class Input:
    """One input of the graph, uint8 (n, size, size, 3): shorter side scaled to `resize`, central square cut out."""

    name: str
    resize: int
    size: int


def graph_inputs(model: Model) -> list[Input]:
    """The inputs in their order: one for each size in which the members want the picture."""
    sizes = dict.fromkeys((m.row.preprocessing.resize, m.row.preprocessing.size) for m in model.members)
    several = len(sizes) > 1
    return [Input(f"pictures_{resize}_{size}" if several else "pictures", resize, size) for resize, size in sizes]


def output_names(model: Model) -> list[str]:
    """The outputs in their order: probabilities float32 (n, K), then, if the model knows it, familiarity (n,)."""
    return ["probabilities", *(["familiarity"] if model.trust.familiar else [])]


def graph_of(model: Model) -> torch.nn.Module:
    """The network, in evaluation mode, from `graph_inputs` to `output_names`. Raises BadModel."""
    import torch

    places = {(i.resize, i.size): place for place, i in enumerate(graph_inputs(model))}
    trust, mirror = model.trust, model.mirror

    class Graph(torch.nn.Module):
        """All members side by side."""

        def __init__(self) -> None:
            super().__init__()
            self.networks = torch.nn.ModuleList(load_module(m.row, m.tuned) for m in model.members)
            self.heads = torch.nn.ModuleList(_head(m.head.layers) for m in model.members)
            self.familiar = _familiarity(trust.familiar) if trust.familiar else None

        def forward(self, *pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
            chances: Any = 0
            others: list[torch.Tensor] = []
            for number, member in enumerate(model.members):
                how = member.row.preprocessing
                view = pictures[places[how.resize, how.size]]
                views = torch.cat([view, torch.flip(view, [2])]) if mirror else view
                features = self.networks[number](views)
                said = torch.softmax(self.heads[number](features), 1)
                if mirror:
                    said = said.reshape(2, -1, len(model.classes)).mean(0)
                if self.familiar is not None and number == trust.member:
                    others = [self.familiar(features[: view.shape[0]])]
                chances = chances + member.share * said
            if trust.temperature != 1.0:
                chances = torch.softmax(torch.log(torch.clamp(chances, min=_LEAST)) / trust.temperature, 1)
            return (chances, *others)

    return Graph().eval().requires_grad_(False)


def _head(layers: tuple[tuple[np.ndarray, np.ndarray], ...]) -> torch.nn.Module:
    import torch

    made: list[torch.nn.Module] = []
    for weight, bias in layers:
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight = torch.nn.Parameter(torch.tensor(weight, dtype=torch.float32))
        layer.bias = torch.nn.Parameter(torch.tensor(bias, dtype=torch.float32))
        made += [*([torch.nn.ReLU()] if made else []), layer]
    return torch.nn.Sequential(*made)


def _familiarity(familiar: Familiar) -> torch.nn.Module:
    """`Familiar.measure` as a network: the mean cosine to the training pictures most alike."""
    import torch

    class Familiarity(torch.nn.Module):
        """Features (n, D) to familiarity (n,)."""

        mean: torch.Tensor
        spread: torch.Tensor
        known: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor(familiar.scaler.mean))
            self.register_buffer("spread", torch.tensor(familiar.scaler.spread))
            self.register_buffer("known", torch.tensor(familiar.references.astype(np.float32).T.copy()))

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            scaled = (features - self.mean) / self.spread
            unit = scaled / torch.clamp(torch.linalg.vector_norm(scaled, dim=1, keepdim=True), min=1e-6)
            few = min(NEIGHBOURS, familiar.references.shape[0])
            return torch.topk(unit @ self.known, few, dim=1).values.mean(dim=1)

    return Familiarity()
