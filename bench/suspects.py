"""How many planted wrong labels stand at the top of the list of suspects, and at the top of the losses of a model.

    python -m bench.suspects DATA_FOLDER [SET ...] [--seeds 3] [--share 0.05]

Gives 5 % of the pictures of a set another class by lot, three times with different seeds, and looks at as many
suspects as were planted: of the list, and of the pictures with the largest loss of a quick training on these labels,
most of which it has learnt. Precision and recall are the same figure then.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from bench.sets import read_set


def main(arguments: list[str] | None = None) -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(prog="python -m bench.suspects")
    parser.add_argument("data", type=Path)
    parser.add_argument("set", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.05)
    options = parser.parse_args(arguments)
    for name in options.set or ("aerial-small", "flowers-small"):
        with tempfile.TemporaryDirectory() as home:
            os.environ["IMGTAG_HOME"] = home
            measure(options.data, name, options.seeds, options.share)


def measure(data: Path, name: str, seeds: int, share: float) -> None:
    """Plant, look, take back, for every seed."""
    from imgtag.data import edits
    from imgtag.data.dataset import look
    from imgtag.data.duplicates import same_shots
    from imgtag.data.projects import create_project
    from imgtag.review.metrics import read_predictions
    from imgtag.review.suspects import find_suspects
    from imgtag.training.ahead import seen_by_all
    from imgtag.training.jobs import start_training, wait_for
    from imgtag.training.looker import look_now
    from imgtag.training.recipes import make_recipe

    project = create_project(name)
    for sample in read_set(data, name):
        target = project.images / sample.label / f"{sample.sha256}{Path(sample.path).suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(sample.path).read_bytes())
    look_now(project)
    truth = {p.id: p.label for p in look(project).labelled}
    classes = sorted(set(truth.values()))
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        wrong = rng.choice(sorted(truth), round(share * len(truth)), replace=False).tolist()
        edits.sort_pictures(project, {i: str(rng.choice([c for c in classes if c != truth[i]])) for i in wrong})
        dataset = look(project)
        ids = [p.id for p in dataset.labelled]
        found = find_suspects(dataset.labelled, seen_by_all(project, ids), same_shots(project, dataset.labelled))
        top = {s.id for s in found[: len(wrong)]}
        corrected = sum(s.suggested == truth[s.id] for s in found[: len(wrong)] if s.id in wrong)
        run = wait_for(start_training(project, make_recipe("quick")))
        losses = sorted(read_predictions(run), key=lambda p: -p.loss)
        by_loss = {p.sha256 for p in losses[: len(wrong)]}
        print(
            f"{name}, seed {seed}: of {len(wrong)} planted among {len(truth)}, {len(top & set(wrong))} at the top of "
            f"{len(found)} suspects ({corrected} with the right proposal); "
            f"{len(by_loss & set(wrong))} at the top of the losses",
            flush=True,
        )
        edits.undo(project)


if __name__ == "__main__":
    main()
