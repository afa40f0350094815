"""Storage: whole files or none, whatever kills the process or fills the disk; locks; files that come back the same."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtag.core import storage
from imgtag.core.errors import Conflict, DiskFull, NoAccess

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = b"old" * 1000, b"new" * 100_000


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, with imgtag importable."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


# ----------------------------------------------------------------------------- whole or not at all


@pytest.mark.parametrize("point", ["open", "fsync", "replace"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_that_dies_inside_a_write_leaves_the_old_file_or_the_new_one(
    point: str, when: str, tmp_path: Path
) -> None:
    target = tmp_path / "file.json"
    target.write_bytes(OLD)
    died = run_python(
        """
        import builtins, os, sys
        from pathlib import Path
        from imgtag.core import storage
        target, point, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
        owner = builtins if point == "open" else os
        real = getattr(owner, point)
        def dying(*args, **kwargs):
            if when == "after":
                real(*args, **kwargs)
            os._exit(77)
        setattr(owner, point, dying)
        storage.atomic_write(target, b"new" * 100_000)
        """,
        target, point, when,
    )  # fmt: skip
    assert died.returncode == 77, died.stderr
    replaced = point == "replace" and when == "after"
    assert target.read_bytes() == (NEW if replaced else OLD)
    storage.atomic_write(target, NEW)
    assert target.read_bytes() == NEW


def test_kill_9_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    for round_ in range(6):
        writer = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from pathlib import Path; from imgtag.core.storage import atomic_write\n"
                "print('go', flush=True)\n"
                "while True:\n"
                "    for letter in (b'a', b'b'):\n"
                "        atomic_write(Path(sys.argv[1]), letter * 2_000_000)",
                str(target),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(0.03 + 0.017 * round_)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        if target.exists():
            assert target.read_bytes() in (b"a" * 2_000_000, b"b" * 2_000_000)
    assert target.exists()


def test_the_file_is_flushed_before_it_takes_its_place_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        steps.append("flush folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "flush file")
        real_fsync(handle)

    def replace(source: Path, target: Path) -> None:
        steps.append("replace")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    storage.atomic_write(tmp_path / "x", b"1")
    assert steps == ["flush file", "replace", "flush folder"]
    steps.clear()
    storage.atomic_write(tmp_path / "x", b"2", durable=False)
    assert steps == ["replace"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_is_told_in_words_and_leaves_the_old_file_whole(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    target.write_bytes(OLD)

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, step, full)
        with pytest.raises(DiskFull, match="MB are free"):
            storage.atomic_write(target, NEW)
    assert target.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")
def test_a_full_disk_met_while_writing_is_told_in_words() -> None:
    with pytest.raises(DiskFull), storage.explained(Path("/dev/full")), open("/dev/full", "wb") as file:
        file.write(b"x" * 100_000)


def test_a_file_written_piece_by_piece_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "upload.bin"
    with storage.whole_file(target) as file:
        file.write(b"first ")
        assert not target.exists()
        file.write(b"second")
    assert target.read_bytes() == b"first second"
    with pytest.raises(TypeError), storage.whole_file(target) as file:
        file.writelines([b"cut off", None])
    assert target.read_bytes() == b"first second"
    assert os.listdir(target.parent) == ["upload.bin"]


def test_asking_for_more_room_than_there_is_names_the_amount(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match=r"About 1048576 MB are needed; \d+ MB are free"):
        storage.require_space(tmp_path / "not" / "there" / "yet", 1 << 40)
    storage.require_space(tmp_path, 1)


def test_the_reserve_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGTAG_SPARE_DISK_MB", str((storage.free_bytes(tmp_path) >> 20) + 1000))
    with pytest.raises(DiskFull):
        storage.require_space(tmp_path, 1)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_that_may_not_be_written_is_named(number: int, tmp_path: Path) -> None:
    with pytest.raises(NoAccess, match="IMGTAG_HOME") as caught, storage.explained(tmp_path / "a.txt"):
        raise OSError(number, os.strerror(number))
    assert str(tmp_path) in caught.value.explanation


# ----------------------------------------------------------------------------- moving


def test_a_move_never_overwrites(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.txt").write_text(name)
    target = tmp_path / "box" / "x.txt"
    landed = [storage.move(tmp_path / f"{name}.txt", target).name for name in ("a", "b", "c")]
    assert landed == ["x.txt", "x (2).txt", "x (3).txt"]
    assert [(target.parent / name).read_text() for name in landed] == ["a", "b", "c"]


def test_moving_what_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="another window"):
        storage.move(tmp_path / "gone.png", tmp_path / "x.png")


def test_a_copied_folder_leaves_out_only_what_was_named(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("images/uploads/a.png", "images/x/b.png", "cache/uploads/c.bin", "cache/d.json"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"x")
    storage.copy_folder(source, tmp_path / "copy", ignore=("cache/uploads",))
    copied = {p.relative_to(tmp_path / "copy").as_posix() for p in (tmp_path / "copy").rglob("*") if p.is_file()}
    assert copied == {"images/uploads/a.png", "images/x/b.png", "cache/d.json"}


def test_a_folder_is_not_half_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"x")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DiskFull):
        storage.copy_folder(source, tmp_path / "copy")
    assert os.listdir(tmp_path) == ["source"]


def test_an_empty_folder_goes_with_the_droppings_of_file_managers_and_a_full_one_stays(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    for folder in (empty, full):
        folder.mkdir()
        (folder / ".DS_Store").write_bytes(b"x")
    (full / "notes.txt").write_text("mine")
    storage.remove_if_empty(empty)
    storage.remove_if_empty(full)
    storage.remove_if_empty(tmp_path / "never there")
    assert not empty.exists()
    assert (full / "notes.txt").read_text() == "mine"


# ----------------------------------------------------------------------------- reading back

# Surrogates are what Python makes of file names that are no UTF-8, as old zips leave them on Linux.
TEXTS = st.text(
    alphabet=st.one_of(st.characters(), st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)), max_size=20
)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.dictionaries(TEXTS, TEXTS, max_size=2), max_size=4))
def test_json_lines_read_back_as_they_were_whatever_the_text(
    rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lines") / "history.jsonl"
    for row in rows:
        storage.append_json_line(path, row)
    assert storage.read_json_lines(path) == rows


@pytest.mark.parametrize("text", ["line\u2028separator", "next\u0085line", "form\x0cfeed", "caf\udce9.jpg", "é\n\"'"])
def test_odd_characters_survive_in_json(text: str, tmp_path: Path) -> None:
    storage.append_json_line(tmp_path / "lines", {"file": text})
    storage.write_json(tmp_path / "value", {"file": text})
    assert storage.read_json_lines(tmp_path / "lines") == [{"file": text}]
    assert storage.read_json(tmp_path / "value") == {"file": text}


def test_a_line_cut_short_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    storage.append_json_line(path, {"n": 1})
    with open(path, "ab") as file:
        file.write(b'{"n": 2, "half')
    storage.append_json_line(path, {"n": 3})
    assert storage.read_json_lines(path) == [{"n": 1}, {"n": 3}]


def test_two_processes_append_without_mixing_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    code = (
        "import sys; from pathlib import Path; from imgtag.core.storage import append_json_line\n"
        "for n in range(300): append_json_line(Path(sys.argv[1]), {'who': sys.argv[2], 'n': n, 'pad': 'x' * 500})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), who], cwd=ROOT) for who in "ab"]
    assert [w.wait(60) for w in writers] == [0, 0]
    rows = storage.read_json_lines(path)
    for who in "ab":
        assert [r["n"] for r in rows if r["who"] == who] == list(range(300))


def test_missing_and_damaged_json_gives_the_default(tmp_path: Path) -> None:
    (tmp_path / "half").write_text('{"a": ')
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name in ("half", "bytes", "missing"):
        assert storage.read_json(tmp_path / name, "default") == "default"
    assert storage.read_json_lines(tmp_path / "missing") == []
    assert storage.read_csv(tmp_path / "missing") == []


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        storage.write_json(tmp_path / "x", {"loss": float("nan")})
    assert not (tmp_path / "x").exists()


def test_our_own_csv_files_read_back_exactly(tmp_path: Path) -> None:
    rows = [["=1+1", "001"], ['a,"b"', "1e5"], ["two\nlines", "caf\udce9.jpg"]]
    storage.write_csv(tmp_path / "x.csv", ("file", "class"), rows)
    assert [[r["file"], r["class"]] for r in storage.read_csv(tmp_path / "x.csv")] == rows


def test_a_csv_file_saved_again_by_a_spreadsheet_keeps_its_first_column(tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_text("sha256,split\r\nabc,train\r\n", encoding="utf-8-sig")
    assert storage.read_csv(tmp_path / "splits.csv") == [{"sha256": "abc", "split": "train"}]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", '=HYPERLINK("http://e")'])
def test_a_cell_that_a_spreadsheet_would_run_is_made_inert(cell: str) -> None:
    text = storage.csv_text(("file", "class"), [{"file": cell, "class": "001"}])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows == [["file", "class"], ["'" + cell, "001"]]


@pytest.mark.parametrize(("system", "refusals", "written"), [("nt", 3, True), ("nt", 1000, False), ("posix", 1, False)])
def test_a_file_that_somebody_reads_on_windows_is_replaced_a_moment_later(
    system: str, refusals: int, written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    asked = 0

    def replace(source: Path, target: Path) -> None:
        nonlocal asked
        asked += 1
        if asked <= refusals:
            raise PermissionError
        os.replace(source, target)

    monkeypatch.setattr(storage, "os", SimpleNamespace(name=system, replace=replace))
    monkeypatch.setattr(storage, "_REPLACE_AGAIN_S", 0.0)
    with contextlib.nullcontext() if written else pytest.raises(PermissionError):
        storage._replace(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == (b"new" if written else b"old")
