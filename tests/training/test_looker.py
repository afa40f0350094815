"""The looker: a process that fills the feature cache, tells how far it is, and never works twice at once."""

from __future__ import annotations

import numpy as np

from imgtag.core import locks
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.training import ahead
from imgtag.training.extractor import load_extractor
from imgtag.training.features import cached_features, compute_features
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
    assert (at.done, at.total, at.error) == (25, 25, "")  # by the last network, which leaves the unreadable one out
    assert ahead.all_looked(shapes, ids)
    assert ahead.seen_by(shapes, ids) is ahead.LOOKERS[1]
    found = ahead.seen(shapes, ids)
    assert len(found) == 25
    assert {f.shape for f in found.values()} == {(ahead.LOOKERS[1].dimensions,)}
    write_tree(shapes.unsorted, {"later.png": picture("green", 2)})
    assert ahead.not_seen(shapes, [p.id for p in look(shapes).pictures]) == 1


def test_the_better_one_looks_at_mirror_images_too_and_only_at_what_is_missing(ready: object, shapes: Project) -> None:
    better, ids = ahead.LOOKERS[1], [p.id for p in look(shapes).pictures]
    pictures = [(p.id, p.path) for p in look(shapes).pictures]
    compute_features(shapes.cache, better, load_extractor(better), pictures, ("plain",), lambda _: None, [])
    (plain,) = ahead.seen_looks(shapes, ids)
    as_seen = ahead.seen(shapes, ids)
    assert all((plain[i] == as_seen[i]).all() for i in ids), "as an earlier version, or a quick training, leaves it"
    assert not ahead.all_looked(shapes, ids)
    assert main(str(shapes.path)) == 0
    mean, closely = ahead.seen_looks(shapes, ids)
    mirrored = cached_features(shapes.cache, better, ids, "mirrored")
    assert mean.keys() == closely.keys() == set(ids)
    assert all((mirrored[i] != plain[i]).any() and (closely[i] != mean[i]).any() for i in ids)
    assert all(np.allclose(mean[i], (plain[i].astype(np.float32) + mirrored[i]) / 2, rtol=1e-3, atol=1e-3) for i in ids)
    written = sorted(shapes.cache.rglob("*.safetensors"))
    assert main(str(shapes.path)) == 0
    assert sorted(shapes.cache.rglob("*.safetensors")) == written


def test_a_second_one_leaves_the_first_alone(shapes: Project) -> None:
    with locks.locked(shapes.cache / ahead.LOCK):
        assert ahead.looking(shapes).working
        assert main(str(shapes.path)) == 0
    assert ahead.not_seen(shapes, [p.id for p in look(shapes).pictures]) == 24


def test_a_spoilt_status_is_none(shapes: Project) -> None:
    write_tree(shapes.cache, {"looking.json": b"[1"})
    assert ahead.looking(shapes) == ahead.Looking(False, 0, 0, "")
    assert ahead.not_seen(shapes, ["a"]) == 1
