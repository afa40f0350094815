"""The real server, started once: every route, what it refuses, and that nothing leaves its folders."""

from __future__ import annotations

import io
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from imgtag.data.dataset import look
from imgtag.data.uploads import import_upload
from imgtag.training.runs import find_run
from tests.drawing import picture, sha, zip_of
from tests.served import OWN_HEADER, Server, served_app

MOST_MB, HUGE_MB = 60, 300


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """`python app.py` on a free port, with the trained project “numbers”."""
    with served_app(IMGTAG_MAX_CLASSIFY_MB=str(MOST_MB)) as found:
        yield found


def error_of(response: httpx.Response) -> dict[str, str]:
    """The error in the answer, which has the shape that scripts rely on."""
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"title", "explanation", "next_step"}
    assert body["error"]["title"]
    return body["error"]


def files_below(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha(p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


# ----------------------------------------------------------------------------- looking


def test_health_tells_the_version(server: Server) -> None:
    from imgtag import __version__

    assert server.get("/api/health").json() == {"status": "ok", "version": __version__}


def test_projects_are_listed_with_counts_and_their_last_run(server: Server) -> None:
    (listed,) = server.get("/api/projects").json()["projects"]
    assert listed["name"] == listed["title"] == "numbers"
    assert listed["classes"] == {"1": 12, "2": 12, "10": 12}
    assert list(listed["classes"]) == ["1", "2", "10"]
    assert listed["last_run"]
    assert listed["val_accuracy"] == 1.0


def test_the_screens_are_served_by_the_same_process(server: Server) -> None:
    page = server.get("/")
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]


def test_only_this_machine_can_connect(server: Server) -> None:
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("listening addresses are read from /proc/net")
    listening = []
    for file in (table, Path("/proc/net/tcp6")):
        for line in file.read_text().splitlines()[1:] if file.exists() else []:
            local, state = line.split()[1], line.split()[3]
            if state == "0A" and int(local.rpartition(":")[2], 16) == server.port:
                listening.append(local.rpartition(":")[0])
    assert listening == ["0100007F"], "127.0.0.1 and nothing else"


# ----------------------------------------------------------------------------- thumbnails


def test_a_thumbnail_is_a_new_jpeg_that_may_be_cached_for_ever(server: Server) -> None:
    chosen = look(server.project).labelled[0]
    answer = server.get(f"/api/projects/numbers/thumb/{chosen.id}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content != chosen.path.read_bytes()
    with Image.open(io.BytesIO(answer.content)) as opened:
        assert opened.format == "JPEG"
        assert max(opened.size) <= 256
        assert not opened.getexif()


def test_metadata_and_glued_on_html_do_not_reach_the_browser(server: Server) -> None:
    photo = Image.open(io.BytesIO(picture("red", 970, size=(400, 300))))
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    out = io.BytesIO()
    photo.save(out, "JPEG", exif=exif)
    data = out.getvalue() + b"<script>alert(1)</script>"
    (server.project.unsorted / "glued.jpg").write_bytes(data)
    try:
        for size in ("", "?size=large"):
            answer = server.get(f"/api/projects/numbers/thumb/{sha(data)}{size}")
            assert answer.status_code == 200
            assert b"secret" not in answer.content
            assert b"script" not in answer.content
        with Image.open(io.BytesIO(answer.content)) as large:
            assert large.size == (400, 300)
    finally:
        (server.project.unsorted / "glued.jpg").unlink()


TRICKS = ["..", "../../etc/passwd", "..%2f..%2fproject.json", "%2e%2e%2f%2e%2e%2fproject.json",
          "..%252f..%252fproject.json", "..%5c..%5cproject.json", "project.json", "%00", "0" * 64, "g" * 64, "x",
          "numbers/../numbers"]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
def test_path_tricks_in_an_id_find_nothing(server: Server, trick: str) -> None:
    before = set(files_below(server.home))
    answer = raw(server, f"GET /api/projects/numbers/thumb/{trick}")
    assert b'"version"' not in answer, "project.json must not come out"
    assert b"root:" not in answer
    status = int(answer.split(b" ", 2)[1])
    assert status in (400, 404), answer[:300]
    assert set(files_below(server.home)) == before


@pytest.mark.parametrize("trick", [*TRICKS, "home", ".cache", "numbers%2fimages", "%6eumbers%00"])
@pytest.mark.parametrize("route", ["GET /api/projects/{}/thumb/" + "0" * 64, "POST /api/projects/{}/classify"])
def test_path_tricks_in_a_name_find_nothing(server: Server, route: str, trick: str) -> None:
    answer = raw(server, route.format(trick))
    status = int(answer.split(b" ", 2)[1])
    assert status in (400, 404), answer[:300]
    assert b'"version"' not in answer and b"root:" not in answer


def raw(server: Server, request: str, *headers: str, host: str = "") -> bytes:
    """Send a request exactly as written, which no client library would, and read the whole answer."""
    lines = [
        f"{request} HTTP/1.1",
        f"Host: {host or f'127.0.0.1:{server.port}'}",
        "Connection: close",
        "Content-Length: 0",
    ]
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, *headers, "", ""]).encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def test_an_unknown_picture_is_404_in_words(server: Server) -> None:
    answer = server.get(f"/api/projects/numbers/thumb/{'0' * 64}")
    assert answer.status_code == 404
    assert "no longer in the project" in error_of(answer)["title"]


def test_an_unknown_project_is_404_in_words(server: Server) -> None:
    answer = server.get(f"/api/projects/nowhere/thumb/{'0' * 64}")
    assert answer.status_code == 404
    assert "nowhere" in error_of(answer)["title"]


# ----------------------------------------------------------------------------- who may ask


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost.evil.example",
                                    "http://[", "garbage"])  # fmt: skip
def test_a_page_of_another_origin_is_refused(server: Server, origin: str) -> None:
    for answer in (
        server.get("/api/projects", headers={"Origin": origin}),
        server.classify(("a.png", picture()), Origin=origin),
        server.upload("a.png", picture(), headers={**OWN_HEADER, "Origin": origin}),
    ):
        assert answer.status_code == 403, answer.text
        error_of(answer)
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.5:8501", "evil.example:80", "["])
def test_a_name_that_merely_resolves_to_this_machine_is_refused(server: Server, host: str) -> None:
    answer = raw(server, "GET /api/projects", host=host)
    status = int(answer.split(b" ", 2)[1])
    assert status in (400, 403), answer[:300]
    assert b"numbers" not in answer


def test_a_cross_site_request_without_an_origin_is_refused(server: Server) -> None:
    assert server.get("/api/projects", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert server.get("/api/projects", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_the_apps_own_origin_and_localhost_are_welcome(server: Server) -> None:
    assert server.get("/api/projects", headers={"Origin": server.url}).status_code == 200
    local = f"localhost:{server.port}"
    assert server.get("/api/projects", headers={"Host": local, "Origin": f"http://{local}"}).status_code == 200


# ----------------------------------------------------------------------------- classify


def test_a_good_and_a_bad_file_are_answered_side_by_side(server: Server) -> None:
    answer = server.classify(
        ("blue.png", picture("blue", 950, shape="square")),
        ("bad.png", b"<!DOCTYPE html>"),
        ("red.png", picture("red", 951)),
    )
    assert answer.status_code == 200
    first, bad, last = answer.json()
    assert set(first) == {"file", "tags", "unknown", "error"}
    assert (first["file"], first["tags"][0]["class"], first["error"]) == ("blue.png", "10", None)
    assert first["tags"][0]["probability"] > 0.5
    assert (bad["file"], bad["tags"]) == ("bad.png", [])
    assert "web page" in bad["error"]
    assert (last["file"], last["tags"][0]["class"]) == ("red.png", "2")


def test_the_answer_is_that_of_the_run(server: Server) -> None:
    from imgtag.review.metrics import read_predictions
    from imgtag.training.runs import find_run

    p = read_predictions(find_run(server.project))[0]
    (answer,) = server.classify(("x.png", (server.project.path / p.path).read_bytes())).json()
    assert answer["tags"][0]["class"] == p.predicted
    assert {t["class"]: t["probability"] for t in answer["tags"]} == pytest.approx(p.top, abs=0.01)


@pytest.mark.parametrize(("top", "expected"), [("1", 1), ("2", 2), ("99", 3)])
def test_top_says_how_many_classes_are_named(server: Server, top: str, expected: int) -> None:
    (answer,) = server.classify(("a.png", picture()), query=f"?top={top}").json()
    assert len(answer["tags"]) == expected


@pytest.mark.parametrize("top", ["0", "x", "²", "-1", ""])
def test_what_is_no_number_of_classes_is_refused(server: Server, top: str) -> None:
    answer = server.classify(("a.png", picture()), query=f"?top={quote(top)}")
    assert answer.status_code == 400
    assert "whole number" in answer.json()["error"]["explanation"]


def test_a_file_over_the_limit_is_refused_and_the_other_answered(server: Server) -> None:
    huge = picture("red", 952) + bytes(26 << 20)
    big, small = server.classify(("huge.png", huge), ("ok.png", picture("red", 953))).json()
    assert "too large" in big["error"]
    assert small["tags"][0]["class"] == "2"


def test_too_many_files_are_refused_in_words(server: Server) -> None:
    answer = server.classify(*[(f"{n}.png", picture()) for n in range(65)])
    assert answer.status_code == 413
    assert "64" in error_of(answer)["explanation"]


FORM = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (415, b"", None), (415, b'{"a": 1}', "application/json"), (415, b"a=1", "application/x-www-form-urlencoded"),
        (415, picture(), "image/png"), (400, b"", FORM), (400, b"--x\r\nrubbish", FORM), (400, b"--x--\r\n", FORM),
        (400, b"--x\r\n\r\n\r\n--x--\r\n", "multipart/form-data"),
        (400, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nno file\r\n--x--\r\n', FORM),
        (400, b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.png"\r\n\r\ncut o', FORM),
    ],
)  # fmt: skip
def test_what_is_no_form_with_pictures_is_refused_in_words(
    server: Server, status: int, body: bytes, kind: str | None
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    url = f"{server.url}/api/projects/numbers/classify"
    answer = httpx.post(url, content=body, headers=headers, timeout=30)
    assert answer.status_code == status, answer.text
    assert error_of(answer)["explanation"]


HEAD = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.png"\r\n\r\n'


def sent_in_chunks(size: int) -> Iterator[bytes]:
    """A form with one file of so many bytes, in pieces of a megabyte."""
    yield HEAD
    yield from (bytes(1 << 20) for _ in range(size >> 20))
    yield b"\r\n--x--\r\n"


def memory_mb(server: Server) -> float:
    fields = Path(f"/proc/{server.process.pid}/status").read_text().split("VmHWM:")[1]
    return int(fields.split()[0]) / 1024


@pytest.mark.parametrize("announced", [True, False])
def test_a_huge_request_is_refused_and_never_in_memory(server: Server, announced: bool) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the memory of the server is read from /proc")
    assert server.classify(("a.png", picture())).status_code == 200
    before = memory_mb(server)
    url, headers = f"{server.url}/api/projects/numbers/classify", {"Content-Type": FORM}
    if announced:
        headers["Content-Length"] = str(sum(map(len, sent_in_chunks(HUGE_MB << 20))))
    answer = httpx.post(url, content=sent_in_chunks(HUGE_MB << 20), headers=headers, timeout=60)
    assert answer.status_code == 413, answer.text
    assert f"{MOST_MB} MB" in error_of(answer)["explanation"]
    # What was taken until it was too much: nothing when it was announced, else up to the limit, copied as it grows.
    assert memory_mb(server) - before < (30 if announced else 3 * MOST_MB)
    assert server.classify(("a.png", picture())).status_code == 200


def test_a_client_that_breaks_off_hurts_nobody(server: Server) -> None:
    head = (
        f"POST /api/projects/numbers/classify HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Content-Type: {FORM}\r\nContent-Length: 100000\r\n\r\n--x\r\n"
    )
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(head.encode())
    assert server.classify(("a.png", picture())).status_code == 200


def test_a_project_without_a_model_says_so(server: Server) -> None:
    (server.home / "empty" / "images").mkdir(parents=True)
    (server.home / "empty" / "project.json").write_text("{}")
    try:
        answer = httpx.post(f"{server.url}/api/projects/empty/classify", files={"a": picture()}, timeout=30)
        assert answer.status_code == 404
        assert "no trained model" in error_of(answer)["title"]
    finally:
        shutil.rmtree(server.home / "empty")


def test_a_damaged_model_is_our_fault_and_said_in_words(server: Server) -> None:
    run = find_run(server.project)
    copy = run.path.with_name("damaged")
    shutil.copytree(run.path, copy)
    (copy / "model" / "model.safetensors").write_bytes(b"nothing")
    try:
        answer = server.classify(("a.png", picture()), query="?run=damaged")
        assert answer.status_code == 500
        assert "cannot be used" in error_of(answer)["title"]
    finally:
        shutil.rmtree(copy)


def test_many_clients_at_once_each_get_their_own_answers(server: Server) -> None:
    """Thirty-two threads, each its own mixture of pictures; every third request has a file that is none."""
    kinds = {"green": ("circle", "1"), "red": ("circle", "2"), "blue": ("square", "10")}

    def ask(number: int) -> list[tuple[str, str | None]]:
        sent, expected = [], []
        for place in range(1 + number % 4):
            colour = list(kinds)[(number + place) % 3]
            shape, label = kinds[colour]
            sent.append((f"{number}-{place}.png", picture(colour, 2000 + 10 * number + place, shape=shape)))
            expected.append((sent[-1][0], label))
        if number % 3 == 0:
            sent.insert(1, (f"{number}-bad", b"<html>"))
            expected.insert(1, (f"{number}-bad", None))
        answer = server.classify(*sent)
        assert answer.status_code == 200, answer.text
        got = [(a["file"], a["tags"][0]["class"] if a["tags"] else None) for a in answer.json()]
        assert got == expected
        assert all(bool(a["error"]) == (not a["tags"]) for a in answer.json())
        return got

    with ThreadPoolExecutor(32) as pool:
        assert len(list(pool.map(ask, range(96)))) == 96


def test_an_unknown_run_or_project_is_404(server: Server) -> None:
    answer = server.classify(("a.png", picture()), query="?run=../../numbers")
    assert answer.status_code == 404
    error_of(answer)
    assert httpx.post(f"{server.url}/api/projects/x/classify", files={"a": b"b"}).status_code == 404


# ----------------------------------------------------------------------------- upload


def staged(server: Server) -> list[Path]:
    folder = server.project.staging
    return [p for p in folder.rglob("*") if p.is_file()] if folder.exists() else []


def test_an_upload_lies_in_staging_and_can_be_imported(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGTAG_HOME", str(server.home))
    project = server.project
    batch = uuid.uuid4().hex
    data = picture("red", 960)
    packed = zip_of({"2/zipped.png": picture("red", 961), "10/zipped.png": picture("blue", 962, shape="square")})
    assert server.upload("2/100%25 new.png", data, batch).json() == {"received": len(data)}
    assert server.upload("more.zip", packed, batch).json() == {"received": len(packed)}
    names = sorted(p.name for p in staged(server))
    assert "names.jsonl" in names
    assert all(re.fullmatch(r"[0-9a-f]{32}\.bin|names\.jsonl", name) for name in names)
    assert "100%25 new.png" in (project.staging / batch / "names.jsonl").read_text(), "decoded once, not twice"
    job = import_upload(project, batch)
    for _ in range(300):
        if job.finished:
            break
        time.sleep(0.05)
    assert job.error is None
    assert job.result.added == 3
    assert look(project).counts == {"1": 12, "2": 14, "10": 13}
    assert sha(data) in look(project).by_id
    assert not (project.staging / batch).exists()


@pytest.mark.parametrize("name", ["../../../evil.png", "..\\..\\evil.png", "/etc/evil.png", "C:\\evil.png",
                                  "a/../../evil.png",
                                  "evil\0.png", "", "." * 300])  # fmt: skip
def test_a_name_of_an_upload_never_becomes_a_path(server: Server, name: str) -> None:
    before = {path for path in files_below(server.home.parent) if "cache/uploads" not in path}
    batch = uuid.uuid4().hex
    assert server.upload(name, picture("green", 963), batch).status_code == 200
    after = {path for path in files_below(server.home.parent) if "cache/uploads" not in path}
    assert after == before
    inside = [p.name for p in (server.project.staging / batch).iterdir()]
    assert len(inside) == 2
    assert not Path("/etc/evil.png").exists()


@pytest.mark.parametrize("headers", [{}, {"X-Imgtag-Upload": "0"}])
def test_an_upload_without_the_apps_header_is_refused(server: Server, headers: dict[str, str]) -> None:
    before = staged(server)
    answer = server.upload("a.png", picture(), headers=headers)
    assert answer.status_code == 400
    assert "not an upload of the app" in error_of(answer)["title"]
    assert staged(server) == before


@pytest.mark.parametrize("batch", ["../../evil", "ABC", "0" * 31, "0" * 33, "..%2f" + "0" * 27])
def test_a_batch_that_is_no_number_of_ours_is_refused(server: Server, batch: str) -> None:
    before = staged(server)
    answer = server.upload("a.png", picture(), batch=batch)
    assert answer.status_code == 400
    error_of(answer)
    assert staged(server) == before


def test_an_upload_without_length_streams_to_the_disk(server: Server) -> None:
    batch = uuid.uuid4().hex
    answer = server.upload("a.bin", (bytes(1 << 16) for _ in range(64)), batch)  # sent in chunks
    assert answer.json() == {"received": 4 << 20}
    assert sum(p.stat().st_size for p in (server.project.staging / batch).glob("*.bin")) == 4 << 20


def test_an_upload_cut_off_half_way_leaves_no_file(server: Server) -> None:
    batch = uuid.uuid4().hex
    head = (
        f"PUT /api/projects/numbers/upload?batch={batch}&path=a.png HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{server.port}\r\nX-Imgtag-Upload: 1\r\nContent-Length: 100000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode() + bytes(5000))
        time.sleep(0.5)
    for _ in range(100):
        left = [p for p in staged(server) if batch in str(p)]
        if not left:
            break
        time.sleep(0.1)
    assert left == []
    assert server.get("/api/health").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "projects/numbers/thumb/x"), ("GET", "projects/numbers/classify"), ("POST", "projects/numbers/upload"),
     ("GET", "projects/numbers"), ("GET", "nonsense"), ("POST", "health")],
)  # fmt: skip
def test_a_mistyped_address_or_method_is_404_in_words_and_no_page(server: Server, method: str, path: str) -> None:
    answer = httpx.request(method, f"{server.url}/api/{path}")
    assert answer.status_code == 404
    assert method in error_of(answer)["title"]


def test_facts_about_a_picture_for_the_large_view(server: Server) -> None:
    first = look(server.project).pictures[0]
    found = server.get(f"/api/projects/numbers/facts/{first.id}").json()
    assert (found["width"], found["height"]) == (64, 64)
    assert found["words"] == f"{first.label} · 64 × 64 pixels · {round(first.size / 1000)} KB · PNG"
    assert server.get(f"/api/projects/numbers/facts/{'0' * 64}").status_code == 404
    bad = server.project.unsorted / "bad.png"
    bad.parent.mkdir(exist_ok=True)
    bad.write_bytes(b"<html>")
    try:
        answer = server.get(f"/api/projects/numbers/facts/{sha(b'<html>')}")
        assert (answer.status_code, answer.json()["error"]["title"]) == (400, "The picture cannot be read.")
    finally:
        bad.unlink()
