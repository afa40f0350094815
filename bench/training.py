"""imgtag's presets against five tutorials' ways of training, on the same pictures and splits.

    python -m bench.training DATA_FOLDER [--sets ...] [--methods ...] [--repeats 3] [--results FILE.jsonl] [--table]

DATA_FOLDER (or IMGTAG_TEST_DATA) holds the sets of bench/sets.py. Each method is a process of its own; the methods
take turns within a repeat, so that a busy machine hits all alike. A measurement is added to the results file as
soon as it is there, and what is there already is not measured again: it may be cut off at any time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import ours
from bench.process import Failed, run_module
from bench.sets import SETS, Manifest, draw, read_set
from bench.tables import tables
from bench.tutorials import METHODS as TUTORIALS
from imgtag.core.errors import ImgtagError

METHODS = ("floor", *ours.PRESETS, ours.AGAIN, *TUTORIALS)


def main() -> None:
    wanted = _arguments()
    if not wanted.table:
        ours.prepare()
        for name in wanted.sets:
            pictures = read_set(wanted.data, name)
            for repeat in range(wanted.repeats):
                measure(draw(name, pictures, repeat), wanted.methods, wanted.results)
    print(tables(read_results(wanted.results), METHODS))


def measure(manifest: Manifest, methods: list[str], results: Path) -> None:
    """Run the methods that have no result yet for this set and repeat, one after the other."""
    done = {(x["set"], x["repeat"], x["method"]) for x in read_results(results)}
    for method in methods:
        if (manifest.set, manifest.repeat, method) in done:
            continue
        try:
            found = run(method, manifest)
        except (ImgtagError, Failed) as reason:
            print(f"{manifest.set} {manifest.repeat} {method}: left out: {reason}", file=sys.stderr, flush=True)
            continue
        where = {"set": manifest.set, "repeat": manifest.repeat, "method": method, "fixed_test": manifest.fixed_test}
        where["machine"] = machine()
        line = {**where, **found, "seconds": round(found["seconds"], 3), "when": round(time.time())}
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{manifest.set} {manifest.repeat} {method}: {line['seconds']} s", file=sys.stderr, flush=True)


def run(method: str, manifest: Manifest) -> dict[str, Any]:
    """One measurement. `busy`: how many processes wanted a core just before (the load of the last minute)."""
    busy = {"busy": round(os.getloadavg()[0], 2)} if hasattr(os, "getloadavg") else {}
    if method in (*ours.PRESETS, ours.AGAIN):
        return {**ours.train(method, manifest), **busy}
    with ours.temporary_home() as home, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.json"
        manifest.write(path)
        program = ["bench.floor"] if method == "floor" else ["bench.tutorials", method]
        finished = run_module([*program, str(path)], home)
    found = json.loads(finished.output.splitlines()[-1])
    return {**found, "seconds": finished.seconds, "cpu_seconds": finished.cpu_seconds, **busy}


def machine() -> str:
    """What the measurement ran on: processor, cores, versions of torch and OpenVINO."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    processor = said.get("model name") or platform.processor() or platform.machine()
    extras = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in said.get("flags", "").split()]
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "openvino"))
    return f"{processor} ({' '.join(extras)}), {os.cpu_count()} cores; {versions}"


def read_results(path: Path) -> list[dict[str, Any]]:
    """Everything measured so far; the last line may have been cut off."""
    lines = []
    for text in path.read_text("utf-8").splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    data = os.environ.get("IMGTAG_TEST_DATA")
    parser.add_argument("data", type=Path, nargs="?", default=Path(data) if data else None)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=Path("bench-training.jsonl"))
    parser.add_argument("--table", action="store_true", help="only print the tables of an existing results file")
    wanted = parser.parse_args()
    if not wanted.table and wanted.data is None:
        parser.error("DATA_FOLDER is missing")
    return wanted


if __name__ == "__main__":
    main()
