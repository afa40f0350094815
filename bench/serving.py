"""How fast pictures are classified, from file to tags, beside other ways with the same pretrained network.

    python -m bench.serving PROJECT... [--pictures 64] [--repeats 3] [--methods ...]

PROJECT is one of IMGTAG_HOME with a finished training of preset quick (and balanced). The ways take turns, each in a
process of its own that loads its model first; the median of the repeats counts. Needs, in an environment of its own on
top of the app's requirements: `pip install fastai onnx onnxruntime`, without changing torch. A way whose
package is missing is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
from typing import Any

from bench.process import Failed, run_module
from imgtag.core.settings import home
from imgtag.data.dataset import look
from imgtag.data.projects import find_project
from imgtag.training.runs import Run, list_runs

NAMES = {
    "imgtag": "imgtag, quick",
    "imgtag balanced": "imgtag, balanced (two networks, each twice)",
    "onnx": "ONNX Runtime alone",
    "pytorch": "PyTorch loop of the tutorials",
    "fastai": "fastai: predict, get_preds",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("projects", nargs="+")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=list(NAMES))
    wanted = parser.parse_args()
    for name in wanted.projects:
        found: dict[str, list[dict[str, Any]]] = {method: [] for method in wanted.methods}
        pictures = [str(p.path) for p in look(find_project(name)).labelled]
        chosen = random.Random(0).sample(pictures, min(wanted.pictures, len(pictures)))
        for repeat in range(wanted.repeats):
            for method, lines in found.items():
                try:
                    lines.append(measure(method, name, chosen))
                except Failed as reason:
                    print(f"{name} {repeat} {method}: left out: {reason}", file=sys.stderr, flush=True)
        print(table(name, found, len(chosen)), flush=True)


def measure(method: str, project: str, pictures: list[str]) -> dict[str, Any]:
    preset = "balanced" if method.endswith("balanced") else "quick"
    run = newest(project, preset)
    way = method.split()[0]
    return json.loads(run_module(["bench.answering", way, str(run.path), *pictures], home()).output.splitlines()[-1])


def newest(project: str, preset: str) -> Run:
    """The newest run of a preset that has a model."""
    for run in list_runs(find_project(project)):
        if run.has_model and run.recipe.preset == preset:
            return run
    raise Failed(f"{project} has no finished training of preset {preset}")


def table(name: str, found: dict[str, list[dict[str, Any]]], pictures: int) -> str:
    """Medians as Markdown; ×: how many times faster imgtag quick is, in the same repeat."""
    ours = found.get("imgtag", [])
    busy = [x["busy"] for measured in found.values() for x in measured]
    lines = [
        f"\n### {name}: {pictures} pictures, median of {max(map(len, found.values()))}",
        "",
        f"{os.cpu_count()} cores, load {min(busy):.1f} to {max(busy):.1f}",
        "",
        "| way | one by one, a second | × | CPU ms each | many, a second | × | CPU ms each |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for method, measured in found.items():
        if measured:
            cells = [NAMES[method]]
            for kind in ("single", "batch"):
                times = [a[kind] / b[kind] for a, b in zip(ours, measured, strict=False)]
                cells.append(f"{statistics.median(x[kind] for x in measured):.1f}")
                cells.append(f"{statistics.median(times):.1f}" if times else "–")
                cells.append(f"{statistics.median(x[f'{kind}_cpu_ms'] for x in measured):.1f}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
