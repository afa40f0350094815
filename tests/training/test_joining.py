"""How far a tuned network joins the others: as far as validation pictures show that it helps, and chance does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imgtag.data.projects import Project
from imgtag.training import head, joining
from imgtag.training.extractor import Extractor, Tuned
from imgtag.training.fitting import Fitted
from imgtag.training.joining import Answered, decide, fine_tune
from imgtag.training.looking import Rows
from imgtag.training.model import Member
from imgtag.training.progress import Watch
from imgtag.training.runs import Run
from tests.prepared import LARGER, ROW, a_run


def certain(right: float) -> dict[str, np.ndarray]:
    """Answers about 40 validation pictures of two classes that give the right one this chance."""
    return {"val": np.tile(np.array([right, 1 - right], np.float32), (40, 1))}


LABELS = {"val": np.zeros(40, np.int64)}
A_HEAD = head.Head(((np.zeros((2, 3), np.float32), np.zeros(2, np.float32)),))


def answered(name: str, chances: dict[str, np.ndarray], share: float = 1.0) -> Answered:
    return Answered(Member({"a": ROW, "b": LARGER}.get(name, ROW), A_HEAD, share), chances)


def shares(found: list[Answered]) -> list[float]:
    return [round(a.member.share, 6) for a in found]


def test_a_tuned_network_that_is_worse_gets_no_say() -> None:
    old = [answered("a", certain(0.8), 0.5), answered("b", certain(0.6), 0.5)]
    kept, note = decide(old, answered("t", certain(0.5)), LABELS)
    assert shares(kept) == [0.5, 0.5]
    assert [a.chances for a in kept] == [a.chances for a in old]
    assert "did not make it better" in note


def test_a_tuned_network_that_is_better_on_every_picture_replaces_the_others() -> None:
    tuned = answered("t", certain(0.9))
    found, note = decide([answered("a", certain(0.8), 0.5), answered("b", certain(0.6), 0.5)], tuned, LABELS)
    assert shares(found) == [1.0]
    assert found[0].chances is tuned.chances
    assert f"loss {-np.log(0.7):.3f} before, {-np.log(0.9):.3f} with it" in note
    assert "100%" in note


def test_networks_that_are_right_about_different_pictures_are_mixed() -> None:
    """Each is sure and right about one half and wrong about the other: together they never are far off."""
    half = np.tile(np.array([[0.9, 0.1]], np.float32), (40, 1))
    first, second = half.copy(), half.copy()
    first[:20] = second[20:] = (0.1, 0.9)
    old = [answered("a", {"val": first}, 0.5), answered("b", {"val": first}, 0.5)]
    found, _ = decide(old, answered("t", {"val": second}), LABELS)
    assert shares(found) == [0.5, 0.25, 0.25]
    assert found[0].chances["val"] is second, "the tuned one stands first"


@pytest.mark.parametrize(("wrong", "expected"), [(16, [1.0]), (8, [0.3, 0.7])])
def test_an_advantage_that_chance_could_explain_does_not_count(wrong: int, expected: list[float]) -> None:
    """The others say 0.5 to everything; the tuned one is right with 0.99, but wrong with 0.99 about some of the 40.

    16 wrong: with a share of 0.3 it gains ln(0.647 / 0.5) = 0.258 on 24 and loses ln(0.5 / 0.353) = 0.348 on 16:
    0.016 on average, and chance could explain 0.047. 8 wrong: a share of 0.7 gains 0.186, and chance explains 0.106;
    a share of 0.3 is worse than that by 0.050, which chance explains (0.068).
    """
    tuned = np.tile(np.array([[0.99, 0.01]], np.float32), (40, 1))
    tuned[:wrong] = (0.01, 0.99)
    found, _ = decide([answered("a", certain(0.5))], answered("t", {"val": tuned}), LABELS)
    assert shares(found) == expected
    assert (found[0].chances["val"] is tuned) == (wrong == 8)


def test_without_validation_pictures_nothing_is_tuned(tmp_path: Path) -> None:
    """A training loss that falls shows nothing: the time would be wasted."""
    others = [answered("a", {"train": certain(0.6)["val"]})]
    nothing = Rows((np.zeros((0, ROW.dimensions), np.float16),), np.zeros(0, np.int64), [])
    start = Fitted(head.Scaler.of(np.zeros((2, 3), np.float32)), A_HEAD.layers, 1, None, False)
    parts = {"train": nothing, "val": nothing, "test": nothing}
    watch = Watch(tmp_path)
    found, stopped, note = fine_tune(Run(tmp_path), watch, ROW, parts, start, others, {"train": LABELS["val"]})
    assert found == others and not stopped and "without validation pictures" in note.lower()


def test_a_picture_that_is_gone_speaks_for_neither_side(shapes: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(shapes)
    manifest = [m for m in run.manifest() if m.split == "val"]
    (run.project.path / manifest[1].path).unlink()
    eye = Extractor(lambda pictures: np.zeros((len(pictures), 3), np.float32), "toy", "it sees nothing", batch=2)
    monkeypatch.setattr(joining, "load_extractor", lambda *_, **__: eye)
    sure = head.Head(((np.zeros((2, 3), np.float32), np.array([0, 9], np.float32)),))
    instead = np.tile(np.array([[0.3, 0.7]], np.float32), (len(manifest), 1))
    part = {"val": Rows((np.zeros((len(manifest), 3), np.float16),), np.zeros(len(manifest), np.int64), manifest)}
    member = Member(ROW, sure, 1.0, Tuned("0" * 16, dict))
    ask = joining._asker(run, Watch(run.path), member, part, {"val": instead}, obeys=True)
    found = ask("val")
    assert found[1].tolist() == instead[1].tolist()
    assert len(manifest) > 2 and (np.delete(found, 1, axis=0)[:, 1] > 0.99).all()
