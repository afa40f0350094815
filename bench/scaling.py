"""Does the time of quick training grow with the number of pictures and no faster, and does memory stay flat?

    python -m bench.scaling DATA_FOLDER/SET [COUNT ...]

The pictures of the set are repeated with other bytes behind the end of the file, so that each is decoded and looked at
anew. `decode` and `forward` are what one picture costs on its own; decoding runs beside the network, so together they
may be more than `looking`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from imgtag.core.settings import home
from imgtag.data.projects import Project, create_project
from imgtag.training.backbones import backbone
from imgtag.training.estimates import decode_seconds, some
from imgtag.training.extractor import known_speed, load_extractor
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import Run, create_run

COUNTS = (300, 3_000, 30_000)


def main() -> None:
    source, counts = Path(sys.argv[1]), [int(n) for n in sys.argv[2:]] or list(COUNTS)
    row = backbone("efficientnet_lite0")
    load_extractor(row)
    ready = home() / ".cache" / "backbones"
    print("| pictures | seconds | looking | head | rest | pictures/s | decode ms | forward ms | peak MB | validation |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for count in counts:
        with TemporaryDirectory() as folder:
            os.environ["IMGTAG_HOME"] = folder
            (Path(folder) / ".cache").mkdir()
            (Path(folder) / ".cache" / "backbones").symlink_to(ready)
            project = create_project("scaling")
            samples = fill(project, source, count)
            run = create_run(project, make_recipe("quick"))
            seconds, peak = trained(run)
            phases = Run(run.path).status["phases"]
            looking, head = phases["looking"], phases["choosing"] + phases["fitting"]
            decode, forward = decode_seconds(row, samples), 1 / (known_speed(row) or float("nan"))
            cells = [
                f"{count:,}",
                *(f"{x:.1f}" for x in (seconds, looking, head, seconds - looking - head)),
                f"{count / seconds:.0f}",
                *(f"{1000 * x:.1f}" for x in (decode, forward)),
                f"{peak:.0f}",
                f"{Run(run.path).status['val_accuracy']:.1%}",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


def fill(project: Project, source: Path, count: int) -> list[Path]:
    """Put `count` pictures into class folders; returns some of them."""
    files = sorted(p for p in source.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    written = [copy(project, file, number) for number, file in enumerate(islice(cycle(files), count))]
    return some(written)


def copy(project: Project, file: Path, number: int) -> Path:
    """One picture with bytes of its own; what stands behind the end of a JPEG is not looked at."""
    target = project.images / file.parent.name / f"{number:06d}{file.suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.read_bytes() + number.to_bytes(8, "big"))
    return target


def trained(run: Run) -> tuple[float, float]:
    """Seconds from start to exit of the worker, and the most memory it had, in MB."""
    began = time.monotonic()
    worker = subprocess.Popen(
        [sys.executable, "-m", "imgtag.training.worker", str(run.path)], stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(worker.pid, 0)
    if status:
        raise SystemExit(f"the trainer failed: {Run(run.path).status}")
    return time.monotonic() - began, usage.ru_maxrss / 1000


if __name__ == "__main__":
    main()
