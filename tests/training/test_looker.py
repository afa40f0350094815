"""The looker: a process that fills the feature cache, tells how far it is, and never works twice at once."""

from __future__ import annotations

from imgtag.core import locks
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.training import ahead
from imgtag.training.jobs import _children, look_ahead
from imgtag.training.looker import main
from tests.drawing import picture, write_tree
from tests.trainers import until


def test_it_looks_at_what_nobody_has_seen(ready: object, shapes: Project) -> None:
    write_tree(shapes.unsorted, {"new.png": picture("green", 1), "bad.png": b"<html>"})
    ids = [p.id for p in look(shapes).pictures]
    assert ahead.not_seen(shapes, ids) == 26
    look_ahead(shapes)
    look_ahead(shapes)  # a second window
    until(lambda: ahead.not_seen(shapes, ids) == 0)
    assert len(_children) >= 1
    until(lambda: not ahead.looking(shapes).working)
    at = ahead.looking(shapes)
    assert (at.done, at.total, at.error) == (25, 25, "")  # by the second network, which leaves the unreadable one out
    assert ahead.seen_by(shapes, ids) is ahead.LOOKERS[1]
    found = ahead.seen(shapes, ids)
    assert len(found) == 25
    assert {f.shape for f in found.values()} == {(ahead.LOOKERS[1].dimensions,)}
    write_tree(shapes.unsorted, {"later.png": picture("green", 2)})
    assert ahead.not_seen(shapes, [p.id for p in look(shapes).pictures]) == 1


def test_a_second_one_leaves_the_first_alone(shapes: Project) -> None:
    with locks.locked(shapes.cache / ahead.LOCK):
        assert ahead.looking(shapes).working
        assert main(str(shapes.path)) == 0
    assert ahead.not_seen(shapes, [p.id for p in look(shapes).pictures]) == 24


def test_a_spoilt_status_is_none(shapes: Project) -> None:
    write_tree(shapes.cache, {"looking.json": b"[1"})
    assert ahead.looking(shapes) == ahead.Looking(False, 0, 0, "")
    assert ahead.not_seen(shapes, ["a"]) == 1
