"""One table of limits and defaults. Each can be changed by an environment variable IMGTAG_<NAME>."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Setting:
    """One limit: its name, its default, and what it is for."""

    name: str
    default: int
    help: str


SETTINGS: tuple[Setting, ...] = (
    Setting("max_picture_mb", 25, "largest picture file that is taken, in megabytes"),
    Setting("max_picture_megapixels", 89, "largest picture, in millions of pixels"),
    Setting("max_upload_gb", 50, "largest single file that the upload takes, in gigabytes"),
    Setting("max_zip_members", 200_000, "most files in one zip"),
    Setting("max_zip_ratio", 200, "how far a file over 1 MB may be compressed in a zip"),
    Setting("max_label_file_kb", 2_000, "largest label file (CSV or JSON) that is read"),
    Setting("max_classify_files", 64, "most pictures in one REST call"),
    Setting("max_classify_mb", 200, "largest REST call, in megabytes; all at work or waiting may hold twice as much"),
    Setting("max_waiting_pictures", 512, "most pictures that wait for a model in REST calls before more are refused"),
    Setting("thumbnail_px", 256, "longest side of a thumbnail"),
    Setting("large_view_px", 1024, "longest side of the large view"),
    Setting("few_pictures", 10, "a class with fewer pictures than this is warned about"),
    Setting("unequal_ratio", 5, "warn when the largest class is this many times the smallest"),
    Setting("spare_disk_mb", 200, "free disk space that an import leaves untouched"),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}


def limit(name: str) -> int:
    """The value of a setting: the environment's if it is a whole number, else the default."""
    setting = _BY_NAME[name]
    value = os.environ.get(f"IMGTAG_{name.upper()}", "")
    return int(value) if value.isdecimal() else setting.default


def home() -> Path:
    """The folder that holds all projects: IMGTAG_HOME, or ~/imgtag."""
    configured = os.environ.get("IMGTAG_HOME")
    return Path(configured).expanduser().absolute() if configured else Path.home() / "imgtag"
