"""Looking: what was seen is not looked at again, also not for its mirror image; views are averaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imgtag.data.projects import Project
from imgtag.training import looking
from imgtag.training.features import cached_features
from imgtag.training.head import Head
from imgtag.training.looking import Rows, look_at_pictures, rows_of
from imgtag.training.progress import Watch
from imgtag.training.runs import ManifestRow, Run
from tests.drawing import picture, write_tree
from tests.prepared import ROW, a_run


def shards(project: Project, view: str = "plain") -> set[Path]:
    folder = project.cache / "features" / (ROW.cache_key if view == "plain" else f"{ROW.cache_key}-{view}")
    return set(folder.glob("*.safetensors"))


def look(run: Run) -> looking.Looked:
    return look_at_pictures(run, [ROW], Watch(run.path))


def ids(run: Run) -> list[str]:
    return [m.sha256 for m in run.manifest()]


def test_a_picture_that_was_looked_at_is_only_mirrored(numbers: Project) -> None:
    before = shards(numbers)
    mirror = a_run(numbers, mirror=True)
    found = look(mirror)
    assert shards(numbers) == before
    assert set(found.features[ROW.name]) == {"plain", "mirrored"}
    assert all(len(seen) == 36 for seen in found.features[ROW.name].values())
    assert (found.cached, found.stopped, found.unreadable) == (0, False, [])
    mirrored = cached_features(numbers.cache, ROW, ids(mirror), "mirrored")
    plain = cached_features(numbers.cache, ROW, ids(mirror))
    assert set(mirrored) == set(plain)
    assert not any(np.array_equal(mirrored[id_], plain[id_]) for id_ in plain)
    after = shards(numbers, "mirrored")
    assert look(mirror).cached == 36
    assert shards(numbers, "mirrored") == after


def test_new_pictures_are_looked_at_both_ways_beside_old_ones(numbers: Project) -> None:
    write_tree(numbers.images / "2", {"new.png": picture("red", 301)})
    run = a_run(numbers, mirror=True)
    before = shards(numbers)
    seen = look(run).features[ROW.name]
    assert {len(part) for part in seen.values()} == {37}
    assert len(shards(numbers) - before) == 1, "one shard with the one new picture"


def test_without_mirroring_there_are_plain_features_alone(numbers: Project) -> None:
    found = look(a_run(numbers))
    assert set(found.features[ROW.name]) == {"plain"}
    assert found.cached == 36
    assert not shards(numbers, "mirrored")


def test_several_processes_share_the_work_and_know_what_is_done(ready: Path, shapes: Project) -> None:
    run = a_run(shapes)
    seen = [
        set(look_at_pictures(run, [ROW], Watch(run.path), (number, 3)).features[ROW.name]["plain"])
        for number in range(3)
    ]
    assert [len(part) for part in seen] == [8, 16, 24], "each finds in the cache what those before it did"
    assert seen[0] < seen[1] < seen[2] == set(ids(run))


# ----------------------------------------------------------------------------- rows


def seen_by_hand(count: int) -> tuple[list[ManifestRow], looking.Features]:
    manifest = [ManifestRow(f"{n}.png", f"sha{n}", "12"[n % 2], "train" if n < 8 else "val") for n in range(count)]
    return manifest, {"plain": {m.sha256: np.full(3, n, np.float16) for n, m in enumerate(manifest)}}


def test_rows_hold_what_was_seen_of_one_split_in_the_order_of_the_manifest(trained: Run) -> None:
    manifest, seen = seen_by_hand(10)
    del seen["plain"]["sha3"]
    train = rows_of(trained, manifest, seen, "train", ("plain",))
    assert [m.sha256 for m in train.manifest] == ["sha0", "sha1", "sha2", "sha4", "sha5", "sha6", "sha7"]
    assert train.views[0][:, 0].tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert train.labels.tolist() == [0, 1, 0, 0, 1, 0, 1]
    assert len(rows_of(trained, manifest, seen, "test", ("plain",))) == 0
    assert rows_of(trained, manifest, seen, "train", ("plain",), most=3).labels.tolist() == [0, 0, 1]


def test_a_picture_counts_only_when_it_was_seen_in_all_views(trained: Run) -> None:
    manifest, seen = seen_by_hand(4)
    seen["mirrored"] = {"sha1": np.full(3, 7, np.float16)}
    both = rows_of(trained, manifest, seen, "train", ("plain", "mirrored"))
    assert [m.sha256 for m in both.manifest] == ["sha1"]
    assert [v.tolist() for v in both.views] == [[[1, 1, 1]], [[7, 7, 7]]]


def test_the_answer_is_the_mean_over_the_views() -> None:
    """One view says 3 to 1, the other 1 to 1: the mean is 0.625, 0.375."""
    views = tuple(np.log(np.array([chances], np.float32)) for chances in ((0.75, 0.25), (0.5, 0.5)))
    rows = Rows(views, np.array([1]), [ManifestRow("a.png", "a", "x", "val")])
    eye = Head(((np.eye(2, dtype=np.float32), np.zeros(2, np.float32)),))
    assert rows.probabilities(eye) == pytest.approx(np.array([[0.625, 0.375]]))
    assert rows.learnt_labels.tolist() == [1, 1]
    assert rows.learnt_features.tolist() == np.concatenate(views).tolist()
