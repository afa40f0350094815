"""Are the probabilities honest, and are pictures of something else refused?

    python -m bench.strangers DATA_FOLDER [SET ...] [--preset quick]

Trains on each set and tells, on its test pictures, which decided nothing: the gap between how sure the model was and
how often it was right (ECE) before and after the temperature; how many of the right and of the wrong answers became
“unknown”; and what share of the pictures of each other set did. Both limits were fitted on the validation pictures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from bench.sets import SETS, read_set

_MOST = 300  # strangers of a set


def main(arguments: list[str] | None = None) -> None:
    """Print what was found, set by set."""
    parser = argparse.ArgumentParser(prog="python -m bench.strangers")
    parser.add_argument("data", type=Path)
    parser.add_argument("set", nargs="*")
    parser.add_argument("--preset", default="quick")
    options = parser.parse_args(arguments)
    for name in options.set or SETS:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            os.environ["IMGTAG_HOME"] = home
            measure(options.data, name, [s for s in SETS if s != name], options.preset)


def measure(data: Path, name: str, others: list[str], preset: str) -> None:
    """Train on one set and ask about its test pictures and about the others."""
    from imgtag.data.projects import create_project
    from imgtag.review.metrics import calibration_gap, evaluate
    from imgtag.serving.predictor import load_predictor
    from imgtag.training.jobs import start_training, wait_for
    from imgtag.training.recipes import make_recipe

    project = create_project(name)
    for sample in read_set(data, name):
        target = project.images / sample.label / f"{sample.sha256}{Path(sample.path).suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(sample.path).read_bytes())
    run = wait_for(start_training(project, make_recipe(preset)))
    predictor = load_predictor(run)
    trust = predictor.model.trust
    found = evaluate(run, "test")
    before = calibration_gap([(p.raw_probability or p.probability, p.right) for p in found.predictions])
    print(
        f"{name}, {preset}: {found.right} of {found.n} test pictures right; temperature {trust.temperature:.2f}, "
        f"ECE {100 * before:.1f} % before, {100 * found.ece:.1f} % after",
        flush=True,
    )
    if trust.refusal is None:
        print("  too few validation pictures to refuse anything")
        return
    unknown = trust.refusal.refuses(
        np.array([p.probability for p in found.predictions]),
        np.array([p.familiarity if p.familiarity is not None else 1.0 for p in found.predictions]),
    )
    right = np.array([p.right for p in found.predictions])
    lost, caught = unknown[right].sum(), unknown[~right].sum()
    print(f"  unknown: {lost} of {right.sum()} right ones, {caught} of {(~right).sum()} wrong ones")
    for other in others:
        strangers = read_set(data, other)
        drawn = np.random.default_rng(0).permutation(len(strangers))[:_MOST]
        answers = predictor.classify([(strangers[i].path, Path(strangers[i].path)) for i in drawn], top=1)
        refused = sum(bool(a.unknown) for a in answers)
        sure = sum(a.tags[0].probability >= 0.9 for a in answers if a.tags)
        print(f"  {other}: {refused} of {len(answers)} refused ({sure} were 90 % sure or more)", flush=True)


if __name__ == "__main__":
    main()
