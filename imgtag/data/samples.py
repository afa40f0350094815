"""Sample data: handwritten digits from scikit-learn (offline), and three public sets through torchvision."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from imgtag.core import storage
from imgtag.core.errors import ImgtagError, Offline
from imgtag.core.settings import home
from imgtag.data.background import Job, start_job
from imgtag.data.download import LISTING
from imgtag.data.images import encode_png
from imgtag.data.importing import import_files
from imgtag.data.projects import Project, create_project, free_title, trash_project
from imgtag.data.sources import SourceFile

_DIGITS_PER_CLASS = 60
_DIGIT_SIDE = 96


@dataclass(frozen=True)
class Sample:
    """A public data set: torchvision's class name, size of the download, number of pictures."""

    key: str
    title: str
    about: str
    megabytes: int


DOWNLOADS: tuple[Sample, ...] = (
    Sample("Flowers102", "Flowers-102", "102 kinds of flowers, 8,189 photographs (Oxford)", 330),
    Sample("OxfordIIITPet", "Oxford-IIIT Pet", "37 breeds of cats and dogs, 7,349 photographs", 790),
    Sample("EuroSAT", "EuroSAT", "10 kinds of land from a satellite, 27,000 tiles", 90),
)


def digits_sample(on_progress: Callable[[int, int, str], None] = lambda done, total, file: None) -> Project:
    """A project of handwritten digits as PNG class folders; needs no connection.

    Source: scikit-learn's copy of the UCI “Optical Recognition of Handwritten Digits” set, 8 x 8 pixels.
    """
    project = create_project(free_title("Handwritten digits"))
    import_files(
        project,
        [list(_digit_files())],
        "sample: handwritten digits",
        lambda p: on_progress(p.done, p.total, p.file),
    )
    return project


def start_digits() -> Job:
    """Make the digits sample in the background; the job's result is the project's name."""
    return start_job("sample digits", "The sample", lambda job: digits_sample(job.report).name)


def start_download(sample: Sample) -> Job:
    """Download a public set in the background and import it; the job's result is the project's name."""
    return start_job("sample download", f"The download of {sample.title}", lambda job: download_sample(sample, job))


def download_sample(sample: Sample, job: Job) -> str:
    """Download through torchvision in a process of its own, then import. Leaves nothing half-made.

    Raises Offline when the download does not succeed.
    """
    folder = storage.make_folder(home() / ".cache" / "downloads" / sample.key)
    command = [sys.executable, "-m", "imgtag.data.download", sample.key, str(folder)]
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=root
    )
    try:
        while process.poll() is None:
            got = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) >> 20
            job.report(min(got, sample.megabytes), sample.megabytes, f"{got} of about {sample.megabytes} MB")
            if job.should_stop():
                process.kill()
            time.sleep(0.3)
        rows = storage.read_json(folder / LISTING)
        if process.returncode != 0 or job.should_stop() or not rows:
            raise _download_failed(sample, job.should_stop())
        return _import_listing(sample, rows, job).name
    finally:
        storage.remove_folder(folder)


def _import_listing(sample: Sample, listing: list[list[str]], job: Job) -> Project:
    files = []
    for split, label, path in listing:
        shown = PurePosixPath(split, label, Path(path).name) if split else PurePosixPath(label, Path(path).name)
        files.append(SourceFile(shown, Path(path).stat().st_size, Path(path).read_bytes))
    project = create_project(free_title(sample.title))
    try:
        import_files(
            project,
            [files],
            f"sample: {sample.title}",
            lambda p: job.report(p.done, p.total, f"Importing {p.file}"),
            job.should_stop,
        )
    except ImgtagError:
        trash_project(project)
        raise
    return project


def _digit_files() -> Iterator[SourceFile]:
    from sklearn.datasets import load_digits

    found = load_digits()
    counts: dict[int, int] = {}
    for number, (pixels, digit) in enumerate(zip(found.images, found.target, strict=True)):
        counts[int(digit)] = counts.get(int(digit), 0) + 1
        if counts[int(digit)] <= _DIGITS_PER_CLASS:
            data = encode_png((pixels * 15.9375).round().astype("uint8"), _DIGIT_SIDE)
            yield SourceFile(PurePosixPath(str(digit), f"digit-{number}.png"), len(data), _constant(data))


def _constant(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def _download_failed(sample: Sample, stopped: bool) -> ImgtagError:
    if stopped:
        return ImgtagError("The download was stopped.", "Nothing was kept.", "")
    return Offline(
        f"{sample.title} could not be downloaded.",
        "There is no connection to the internet, or the server that offers it does not answer. Nothing was kept.",
        "Try “Handwritten digits”, which needs no connection, or add pictures of your own.",
    )
