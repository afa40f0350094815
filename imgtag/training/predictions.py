"""predictions.csv of a run: what its model says about every picture of the manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from imgtag.core import storage
from imgtag.training.runs import ManifestRow, Run

PREDICTION_COLUMNS = (
    "path", "sha256", "split", "label", "predicted", "probability", "label_probability", "loss", "top",
)  # fmt: skip
_TOP = 5


def save_predictions(run: Run, parts: Mapping[str, tuple[Sequence[ManifestRow], np.ndarray]]) -> None:
    """Write predictions.csv: for each split, its pictures and their probabilities (N, K)."""
    classes = run.classes
    position = {name: i for i, name in enumerate(classes)}
    lines = []
    for split, (manifest, probabilities) in parts.items():
        order = np.argsort(-probabilities, axis=1)[:, :_TOP]
        for m, chances, top in zip(manifest, probabilities, order, strict=True):
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
                )
            )
    storage.write_csv(run.path / "predictions.csv", PREDICTION_COLUMNS, lines)
