"""Sources: zips, folders, files and uploads read with care: nothing leads outside, explodes or is hidden."""

from __future__ import annotations

import io
import os
import struct
import sys
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgtag.core import storage
from imgtag.core.errors import BadPicture, BadUpload, ImgtagError, NotFound
from imgtag.data.sources import SourceFile, open_sources, open_staged, safe_parts
from tests.drawing import picture, write_tree, zip_of


def write_zip(tmp_path: Path, data: bytes, name: str = "set.zip") -> Path:
    """A zip on the disk, as a user has it."""
    path = tmp_path / name
    path.write_bytes(data)
    return path


def read_all(path: Path) -> dict[str, bytes | str]:
    """Every file of a source by its shown name: its bytes, or the title of why it cannot be read."""
    found: dict[str, bytes | str] = {}
    with open_sources([path]) as groups:
        for file in (f for group in groups for f in group):
            found[file.shown] = outcome(file)
    return found


def outcome(file: SourceFile) -> bytes | str:
    """The bytes of a file, or the title of why it cannot be read."""
    try:
        return file.read()
    except BadPicture as error:
        return error.title


# ----------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../evil.jpg", "evil.jpg"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\Users\\a\\..\\b.jpg", "Users/a/b.jpg"),
        ("\\\\server\\share\\x.jpg", "server/share/x.jpg"),
        ("a/./b//c.jpg", "a/b/c.jpg"),
        ("..\\..\\evil.jpg", "evil.jpg"),
        ("a/.\0./b.jpg", "a/b.jpg"),
        ("", "unnamed"),
        ("..", "unnamed"),
        ("C:\\", "unnamed"),
    ],
)
def test_a_foreign_path_becomes_harmless_parts(name: str, safe: str) -> None:
    assert str(safe_parts(name)) == safe


@settings(max_examples=400, deadline=None)
@given(name=st.one_of(st.text(max_size=40), st.text(alphabet="./\\:C~\0a %", max_size=16)))
def test_no_foreign_path_leads_outside_on_any_system(name: str) -> None:
    safe = safe_parts(name)
    assert not safe.is_absolute()
    assert safe.parts
    assert not {"..", ".", ""} & set(safe.parts)
    assert not any("\\" in part or "\0" in part for part in safe.parts)
    assert Path(os.path.normpath(Path("/base", safe))).is_relative_to("/base")
    assert ".." not in PureWindowsPath(str(safe)).parts
    assert not PureWindowsPath(str(safe)).root


# ----------------------------------------------------------------------------- zips


def test_a_zip_a_folder_and_files_are_one_list_each(tmp_path: Path) -> None:
    archive = write_zip(tmp_path, zip_of({"cat/1.png": picture("red")}))
    folder = write_tree(tmp_path / "photos", {"dog/2.png": picture("blue"), "3.png": picture("green")})
    loose = [write_tree(tmp_path, {n: picture("grey", i)}) / n for i, n in enumerate(("4.png", "5.png"))]
    with open_sources([archive, loose[0], folder, loose[1]]) as groups:
        shown = [[f.shown for f in group] for group in groups]
        assert all(isinstance(outcome(f), bytes) for group in groups for f in group)
    assert shown == [["set.zip/cat/1.png"], ["photos/3.png", "photos/dog/2.png"], ["4.png", "5.png"]]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"), open_sources([tmp_path / "nowhere"]):
        pass


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.98])
def test_a_zip_that_was_cut_off_is_called_damaged(kept: float, tmp_path: Path) -> None:
    data = zip_of({f"cat/{n}.png": picture("red", n) for n in range(5)})
    path = write_zip(tmp_path, data[: int(len(data) * kept)])
    with pytest.raises(BadUpload, match=r"“set\.zip” is damaged"), open_sources([path]):
        pass


def test_a_password_a_link_and_damage_are_named_and_the_others_are_read(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        for name in ("good.png", "locked.png", "broken.png"):
            archive.writestr(name, picture("red"))
    data = bytearray(out.getvalue())
    for marker, offset, name in ((b"PK\x01\x02", 46, b"locked.png"), (b"PK\x03\x04", 30, b"locked.png")):
        at = data.rindex(name) - offset if marker == b"PK\x01\x02" else data.index(name) - offset
        assert data[at : at + 4] == marker
        data[at + (8 if marker == b"PK\x01\x02" else 6)] |= 1  # "encrypted"
    data[data.index(b"broken.png") + 200] ^= 0xFF
    assert read_all(write_zip(tmp_path, bytes(data))) == {
        "set.zip/link.png": "It is a link, not a file.",
        "set.zip/good.png": picture("red"),
        "set.zip/locked.png": "The file is locked with a password.",
        "set.zip/broken.png": "The file inside the zip is damaged.",
    }


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_of_any_packing_is_named(method: int, tmp_path: Path) -> None:
    data = bytearray(zip_of({"a.png": picture("red", 1), "b.png": picture("red", 2)}, method))
    start = data.index(b"a.png") + 5
    for place in range(start + 4, start + 60):
        data[place] ^= 0xA5
    found = read_all(write_zip(tmp_path, bytes(data)))
    assert found == {"set.zip/a.png": "The file inside the zip is damaged.", "set.zip/b.png": picture("red", 2)}


@settings(max_examples=200, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), min_size=1, max_size=4),
    at_end=st.booleans(),
)
@example(changes=[(451, 0)], at_end=True)  # a member without a name
@pytest.mark.filterwarnings("ignore")
def test_changed_bytes_in_a_zip_give_files_or_a_sentence_and_nothing_else(
    changes: list[tuple[int, int]], at_end: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = {"cat/1.txt": b"one" * 9, "dog/ü.txt": b"two" * 9}
    data = bytearray(zip_of(files))
    for place, value in changes:
        data[-1 - place % 140 if at_end else place % len(data)] = value
    path = write_zip(tmp_path_factory.mktemp("fuzz"), bytes(data))
    try:
        found = read_all(path)
    except ImgtagError:
        return
    assert all(v in (*files.values(), b"") for v in found.values() if isinstance(v, bytes))


def test_names_are_read_as_utf8_also_from_programs_that_do_not_say_so(tmp_path: Path) -> None:
    said = zip_of({"Größe/1.png": b"x"})
    assert b"Gr\xc3\xb6" in said
    unsaid = bytearray(said)
    for marker, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        unsaid[unsaid.index(marker) + place] &= ~0x08
    assert list(read_all(write_zip(tmp_path, said))) == ["set.zip/Größe/1.png"]
    assert list(read_all(write_zip(tmp_path, bytes(unsaid)))) == ["set.zip/Größe/1.png"]


def test_names_of_old_dos_programs_keep_their_letters(tmp_path: Path) -> None:
    data = bytearray(zip_of({"Xro/1.png": b"x"}))
    data = data.replace(b"Xro/1.png", b"Gr\x94/1.png")
    assert list(read_all(write_zip(tmp_path, bytes(data)))) == ["set.zip/Grö/1.png"]


def test_two_members_of_the_same_name_are_both_read(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("cat/1.png", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("cat/1.png", b"second")
    with open_sources([write_zip(tmp_path, out.getvalue())]) as groups:
        assert [f.read() for f in groups[0]] == [b"first", b"second"]


def test_reading_names_from_a_zip_writes_nothing_anywhere(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    evil = {"../../evil.png": b"x", "/abs.png": b"x", "..\\win.png": b"x", "C:\\x\\y.png": b"x", "CON.png": b"x"}
    path = write_zip(inside, zip_of(evil))
    assert list(read_all(path)) == [
        "set.zip/evil.png",
        "set.zip/abs.png",
        "set.zip/win.png",
        "set.zip/x/y.png",
        "set.zip/CON.png",
    ]
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


# ----------------------------------------------------------------------------- bombs


def test_a_member_packed_suspiciously_tight_is_not_opened(tmp_path: Path) -> None:
    data = zip_of({"bomb.png": bytes(30_000_000), "good.png": picture()})
    assert len(data) < 100_000
    assert read_all(write_zip(tmp_path, data)) == {
        "set.zip/bomb.png": "The file is packed suspiciously tight.",
        "set.zip/good.png": picture(),
    }


@pytest.mark.parametrize("claimed", [10, 100_000])
def test_what_a_header_claims_about_the_size_is_not_believed(claimed: int, tmp_path: Path) -> None:
    data = bytearray(zip_of({"bomb.png": bytes(30_000_000)}))
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", claimed)
    with open_sources([write_zip(tmp_path, bytes(data))]) as groups:
        assert outcome(groups[0][0]) == "The file inside the zip is damaged."


def test_no_more_than_the_largest_picture_is_ever_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGTAG_MAX_PICTURE_MB", "1")
    monkeypatch.setenv("IMGTAG_MAX_ZIP_RATIO", "100000")
    zipped = write_zip(tmp_path, zip_of({"big.png": bytes(3 << 20)}))
    loose = write_tree(tmp_path, {"big.png": bytes(3 << 20)}) / "big.png"
    with open_sources([zipped, loose]) as groups:
        assert [len(f.read()) for group in groups for f in group] == [(1 << 20) + 1] * 2


def test_too_many_members_are_refused_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGTAG_MAX_ZIP_MEMBERS", "10")
    path = write_zip(tmp_path, zip_of({f"{n}.png": b"x" for n in range(11)}))
    with pytest.raises(BadUpload, match="holds 11 files"), open_sources([path]):
        pass


# ----------------------------------------------------------------------------- folders and uploads


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "photos", {"good.png": b"x"})
    (folder / "dangling.png").symlink_to(tmp_path / "nowhere")
    assert read_all(folder) == {"photos/dangling.png": "The file cannot be opened.", "photos/good.png": b"x"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such file names")
def test_a_name_that_is_no_utf8_can_be_shown(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "photos", {})
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    assert read_all(folder) == {"photos/caf?.png": b"x"}


def test_an_upload_is_read_by_the_names_that_came_with_it(tmp_path: Path) -> None:
    zipped = zip_of({"cat/1.png": picture("red")})
    cut = zipped[:-30]
    write_tree(tmp_path, {"aa.bin": zipped, "bb.bin": picture("blue"), "cc.bin": picture("green"), "dd.bin": cut})
    for file, name in (
        ("aa.bin", "my set.zip"),
        ("bb.bin", "photos/dog/2.png"),
        ("cc.bin", "../../../etc/evil.png"),
        ("dd.bin", "cut off.zip"),
        ("never arrived.bin", "lost.png"),
    ):
        storage.append_json_line(tmp_path / "names.jsonl", {"file": file, "path": name})
    with open_staged(tmp_path) as groups:
        shown = [[f.shown for f in group] for group in groups]
        assert groups[1][0].read() == picture("blue")
        assert groups[1][0].local == tmp_path / "bb.bin"
    assert shown == [["my set.zip/cat/1.png"], ["photos/dog/2.png", "etc/evil.png", "cut off.zip"]]


def test_a_picture_that_is_also_a_zip_is_taken_as_the_picture(tmp_path: Path) -> None:
    write_tree(tmp_path, {"aa.bin": picture("red") + zip_of({"x.png": b"y"})})
    storage.append_json_line(tmp_path / "names.jsonl", {"file": "aa.bin", "path": "holiday.png"})
    with open_staged(tmp_path) as groups:
        assert [[f.path for f in group] for group in groups] == [[PurePosixPath("holiday.png")]]
