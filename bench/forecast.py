"""Is the predicted time right before the start, and the time left while it works?

    python -m bench.forecast PROJECT PRESET [key=value ...]

Trains the project and prints the prediction made before, the real time, and how far the announced end was off, from the
first fifth on: (spent + left) / real - 1.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

from imgtag.data.dataset import look
from imgtag.data.projects import find_project
from imgtag.training.estimates import predict
from imgtag.training.jobs import start_training
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import Run


def main() -> None:
    name, preset, *changes = sys.argv[1:]
    project, recipe = find_project(name), make_recipe(preset, changes)
    predicted = predict(project, look(project), recipe)
    began = time.monotonic()
    run = start_training(project, recipe)
    said: list[tuple[float, float, str]] = []  # seconds since the start, seconds left, phase
    while (now := Run(run.path)).active:
        left = now.status.get("eta_s")
        if left is not None:
            said.append((time.monotonic() - began, float(left), str(now.status.get("phase"))))
        time.sleep(0.2)
    real = time.monotonic() - began
    off = [(t + left) / real - 1 for t, left, _ in said if t >= real / 5]
    result = {
        "project": name,
        "preset": preset,
        "predicted": predicted.seconds and round(predicted.seconds, 1),
        "unknown": predicted.unknown,
        "real": round(real, 1),
        "off_median": round(statistics.median(off), 3) if off else None,
        "off_most": round(max(off, key=abs), 3) if off else None,
        "within_20_percent": round(sum(abs(o) <= 0.2 for o in off) / len(off), 3) if off else None,
        "predicted_phases": {k: round(v, 1) for k, v in predicted.phases.items()},
        "phases": Run(run.path).status.get("phases"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
