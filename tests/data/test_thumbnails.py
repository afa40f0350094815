"""Thumbnails: made once, small, without camera notes; an id from a URL never leads outside of the cache."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from imgtag.core.errors import BadPicture, NotFound
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.data.thumbnails import thumbnail_bytes
from tests.drawing import encode, quadrants, sha, write_tree


def first_id(project: Project) -> str:
    """The id of some picture."""
    return look(project).pictures[0].id


def test_a_thumbnail_is_made_once_and_a_large_view_beside_it(project: Project) -> None:
    data = encode(quadrants(1500), "JPEG")
    write_tree(project.unsorted, {"big.jpg": data})
    small = thumbnail_bytes(project, sha(data))
    large = thumbnail_bytes(project, sha(data), large=True)
    assert Image.open(io.BytesIO(small)).size == (256, 256)
    assert Image.open(io.BytesIO(large)).size == (1024, 1024)
    (project.unsorted / "big.jpg").unlink()
    assert thumbnail_bytes(project, sha(data)) == small
    assert thumbnail_bytes(project, sha(data), large=True) == large


def test_a_picture_that_is_not_of_the_project_has_no_thumbnail(shapes: Project) -> None:
    with pytest.raises(NotFound):
        thumbnail_bytes(shapes, "f" * 64)


def test_a_picture_that_cannot_be_read_says_why_and_leaves_nothing_behind(project: Project) -> None:
    write_tree(project.unsorted, {"bad.png": b"<html>"})
    with pytest.raises(BadPicture, match="web page"):
        thumbnail_bytes(project, sha(b"<html>"))
    assert not list(project.cache.rglob("*.jpg"))


def test_an_empty_thumbnail_left_by_a_power_cut_is_made_again(shapes: Project) -> None:
    whole = thumbnail_bytes(shapes, first_id(shapes))
    [kept] = (shapes.cache / "thumbs").rglob("*.jpg")
    kept.write_bytes(b"")
    assert thumbnail_bytes(shapes, first_id(shapes)) == whole


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    id_=st.one_of(
        st.text(max_size=80),
        st.text(alphabet="./\\%0a\0", max_size=70),
        st.sampled_from(["../../project.json", "..", "/etc/passwd", "%2e%2e%2fproject.json", "a" * 5000]),
    ),
    large=st.booleans(),
)
def test_no_id_leads_outside_or_writes_anything(id_: str, large: bool, shapes: Project) -> None:
    look(shapes)
    before = snapshot(shapes.path.parent)
    with pytest.raises(NotFound):
        thumbnail_bytes(shapes, id_, large=large)
    assert snapshot(shapes.path.parent) == before


def snapshot(folder: Path) -> set[tuple[Path, int]]:
    """Every file below a folder with its size."""
    return {(p, p.stat().st_size) for p in folder.rglob("*") if p.is_file()}
