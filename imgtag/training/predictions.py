"""predictions.csv of a run: what its model says about every picture of the manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imgtag.core import storage
from imgtag.training.runs import ManifestRow, Run

PREDICTION_COLUMNS = (
    "path", "sha256", "split", "label", "predicted", "probability", "label_probability", "loss", "top",
    "raw_probability", "familiarity",
)  # fmt: skip
_TOP = 5


@dataclass(frozen=True)
class Predicted:
    """Answers about pictures: probabilities (N, K); raw (N,): of the likeliest class before the temperature, which
    makes no difference to which one that is; familiarity (N,), see `trust`; both None where they are not known."""

    manifest: Sequence[ManifestRow]
    probabilities: np.ndarray
    raw: np.ndarray | None = None
    familiarity: np.ndarray | None = None


def save_predictions(run: Run, parts: Mapping[str, Predicted]) -> None:
    """Write predictions.csv: for each split, what is said about its pictures."""
    classes = run.classes
    position = {name: i for i, name in enumerate(classes)}
    lines = []
    for split, part in parts.items():
        order = np.argsort(-part.probabilities, axis=1)[:, :_TOP]
        for n, (m, chances, top) in enumerate(zip(part.manifest, part.probabilities, order, strict=True)):
            own = float(chances[position[m.label]])
            best = {classes[i]: round(float(chances[i]), 5) for i in top}
            lines.append(
                (
                    m.path,
                    m.sha256,
                    split,
                    m.label,
                    classes[top[0]],
                    f"{chances[top[0]]:.6f}",
                    f"{own:.6f}",
                    f"{-np.log(max(own, 1e-12)):.5f}",
                    json.dumps(best, ensure_ascii=False),
                    "" if part.raw is None else f"{part.raw[n]:.6f}",
                    "" if part.familiarity is None else f"{part.familiarity[n]:.5f}",
                )
            )
    storage.write_csv(run.path / "predictions.csv", PREDICTION_COLUMNS, lines)
