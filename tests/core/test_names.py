"""Names: what may become a folder, what is refused with a reason, and how pictures are named on the disk."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtag.core.errors import BadName
from imgtag.core.names import check_name, plain, same_name, slug, stored_name, tidy_name
from tests.drawing import sha

RIGHT_TO_LEFT_OVERRIDE = "\u202e"
LINE_SEPARATOR = "\u2028"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"

# Any text, and texts made of what file systems and browsers stumble over.
NAMES = st.one_of(
    st.text(max_size=70),
    st.text(alphabet='aA.-~ /\\:*?"<>|\0\n\t\u2028\u202e\u00e9e\u0301conCONß', max_size=12),
    st.sampled_from(["con", "NUL.txt", "lpt9.", "con." + "x" * 58, "é" * 60, "\U0001f600" * 60, "\ud800"]),
)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        (" \t ", "is empty"),
        ("../x", "contains /"),
        ("a\\b", "contains \\"),
        ("<b>", "contains < >"),
        ("![x](http://e)", "contains / :"),
        ("CON", "reserved by Windows"),
        ("nul.txt", "reserved by Windows"),
        ("com7 .jpg", "reserved by Windows"),
        (".hidden", "begins with ."),
        ("-rf", "begins with -"),
        ("~root", "begins with ~"),
        ("the end.", "ends with a full stop"),
        ("a" * 300, "too long"),
        ("\U0001f600" * 51, "too long"),  # 51 characters, but 204 bytes
        ("a\0b", "invisible control character"),
        ("a" + RIGHT_TO_LEFT_OVERRIDE + "gpj", "invisible control character"),
        ("a" + LINE_SEPARATOR + "b", "invisible control character"),
        ("\ud800", "invisible control character"),
    ],
)
def test_a_name_that_cannot_be_a_folder_everywhere_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(BadName) as caught:
        check_name(name)
    assert reason in caught.value.explanation
    assert caught.value.next_step


@pytest.mark.parametrize(
    "name", ["boats", "Größe", "חתול", "猫 2", FAMILY, "001", "1e5", "x=1+1", "a.b", "\U0001f600" * 50]
)
def test_ordinary_names_of_every_script_are_kept_exactly(name: str) -> None:
    assert check_name(f"  {name} ") == name


def test_both_ways_to_write_an_accent_give_the_same_name() -> None:
    assert check_name("cafe\u0301") == check_name("caf\u00e9") == "caf\u00e9"
    assert same_name("CAFE\u0301", "caf\u00e9")
    assert same_name("Straße", "STRASSE")
    assert not same_name("cat", "cats")


@settings(max_examples=300, deadline=None)
@given(name=NAMES)
def test_any_text_is_refused_or_becomes_a_direct_child_that_reads_back_the_same(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        kept = check_name(name)
    except BadName:
        return
    folder = tmp_path_factory.mktemp("names", numbered=True)
    (folder / kept).mkdir()
    assert os.listdir(folder) == [kept]
    assert (folder / kept).resolve().parent == folder.resolve()
    assert check_name(kept) == kept
    assert kept == unicodedata.normalize("NFC", name).strip()
    assert len(kept.splitlines()) == 1


@settings(max_examples=300, deadline=None)
@given(name=NAMES)
def test_a_tidied_name_is_always_an_allowed_one(name: str) -> None:
    tidied = tidy_name(name)
    assert check_name(tidied) == tidied


@settings(max_examples=100, deadline=None)
@given(name=NAMES)
def test_an_allowed_name_needs_no_tidying(name: str) -> None:
    try:
        kept = check_name(name)
    except BadName:
        return
    if not re.search(r"\s\s|[^\S ]", kept):
        assert tidy_name(kept) == kept


def test_tidying_keeps_what_can_be_read() -> None:
    assert tidy_name('cats: "small"') == "cats small"
    assert tidy_name("..\\up") == "up"
    assert tidy_name("aux") == "class aux"
    assert tidy_name("???", "project") == "project"


def test_a_stored_name_is_readable_and_ends_in_the_true_extension() -> None:
    assert stored_name("My cat (1).JPEG", "0123456789abcdef", ".png") == "My-cat-1-0123456789ab.png"
    assert stored_name("....", "f" * 64, ".jpg") == "picture-ffffffffffff.jpg"


@settings(max_examples=200, deadline=None)
@given(original=st.one_of(st.text(max_size=300), NAMES))
def test_a_stored_name_is_one_harmless_short_path_part(original: str) -> None:
    name = stored_name(original, sha(b"x"), ".jpg")
    assert Path(name).name == name
    assert re.fullmatch(r"\w[\w-]*-[0-9a-f]{12}\.jpg", name)
    assert len(name.encode()) <= 255


def test_slugs_and_plain_words() -> None:
    assert slug("Ünïcode & Co.") == "Ünïcode-Co"
    assert len(slug("a" * 100)) == 40
    assert plain("  pink__primrose \t x") == "pink primrose x"
