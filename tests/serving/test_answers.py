"""Answers about a pile: every file has one, they are kept, and they can be chosen from; the ways out are whole."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest

from imgtag.data.background import Job, forget_job
from imgtag.data.dataset import look
from imgtag.data.piles import Pile, add_upload, new_pile, remove_pile
from imgtag.serving import answers as module
from imgtag.serving.answers import (
    UNKNOWN,
    UNREADABLE,
    Found,
    Wanted,
    asking_key,
    choose,
    read_answers,
    start_asking,
    totals,
    unanswered,
)
from imgtag.serving.answers_out import (
    csv_of,
    forget_taken,
    join_items,
    sorted_zip,
    waiting_corrections,
    write_sorted_zip,
)
from imgtag.training.model import set_refusal
from imgtag.training.runs import Run
from imgtag.training.trust import Refusal
from tests.data.test_piles import upload
from tests.drawing import encode, scene
from tests.prepared import bytes_of

FILES = {  # in the order in which they are to be shown, whatever order they arrive in
    "=one.png": bytes_of("green"),
    "broken.png": b"not a picture",
    "deep/two.png": bytes_of("red", 1),
    "same/ten.png": bytes_of("blue", 3, "square"),
    "strange.png": encode(scene(3)),
    "ten.png": bytes_of("blue", 2, "square"),
}


def ended(job: Job) -> Job:
    job.wait(60)
    assert job.finished
    assert job.error is None
    return job


@pytest.fixture
def trained(trained: Run) -> Run:
    """With a limit below which it answers “unknown”; so small a project gives none of its own."""
    set_refusal(trained, Refusal(0.985, None, 0.05))
    return Run(trained.path)


@pytest.fixture
def pile(trained: Run) -> Pile:
    made = new_pile(trained.project)
    add_upload(made, upload(trained.project, dict(reversed(FILES.items()))))
    ended(start_asking(made, trained, "plain"))
    return made


def by_name(pile: Pile, run: Run) -> dict[str, Found]:
    return {f.item.name: f for f in read_answers(pile, run, "plain")}


def test_every_file_has_an_answer_or_its_reason_and_one_bad_file_hurts_no_other(pile: Pile, trained: Run) -> None:
    found = by_name(pile, trained)
    assert list(found) == list(FILES)
    assert {name: f.label for name, f in found.items()} == {
        "=one.png": "1", "deep/two.png": "2", "ten.png": "10", "same/ten.png": "10",
        "strange.png": None, "broken.png": None,
    }  # fmt: skip
    assert found["strange.png"].place == (UNKNOWN, "")
    assert found["broken.png"].place == (UNREADABLE, "")
    assert "text file" in (found["broken.png"].answer.error or "")
    assert found["=one.png"].answer.tags[0].display == "one"
    assert not unanswered(pile, trained, "plain")
    assert look(trained.project).unsorted == []


def test_nothing_is_asked_twice_and_another_way_is_asked_anew(
    pile: Pile, trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_answers(pile, trained, "plain")
    assert unanswered(pile, trained, "fixed")
    forget_job(asking_key(pile, trained, "plain"))
    monkeypatch.setattr(module, "kept_predictor", None)  # asking again would fail
    ended(start_asking(pile, trained, "plain"))
    assert read_answers(pile, trained, "plain") == before


def test_what_was_stopped_goes_on_where_it_was(trained: Run) -> None:
    pile = new_pile(trained.project)
    add_upload(pile, upload(trained.project, {f"{n}.png": bytes_of("red", n) for n in range(70)}))
    job = Job("Classifying")
    report = job.report

    def stop_after_some(done: int, total: int, message: str) -> None:
        report(done, total, message)
        if total == 70 and done >= 32 and not message.startswith("Reading"):
            job.stop()

    job.report = stop_after_some  # type: ignore[method-assign]
    module._ask(pile, trained, "plain", job)
    assert len(read_answers(pile, trained, "plain")) == 32
    ended(start_asking(pile, trained, "plain"))
    assert [f.item.number for f in read_answers(pile, trained, "plain")] == list(range(70))


def test_a_pile_that_is_cleared_meanwhile_leaves_nothing_behind(trained: Run) -> None:
    pile = new_pile(trained.project)
    add_upload(pile, upload(trained.project, {"a.png": bytes_of("red", 1)}))
    job = start_asking(pile, trained, "plain")
    remove_pile(pile)
    job.wait(60)
    remove_pile(pile)
    module._keep(pile, trained, "plain", [])
    assert not pile.path.exists()


def test_answers_are_chosen_and_put_in_order(pile: Pile, trained: Run) -> None:
    found = read_answers(pile, trained, "plain")
    assert totals(found) == {
        ("class", "10"): 2,
        ("class", "1"): 1,
        ("class", "2"): 1,
        (UNKNOWN, ""): 1,
        (UNREADABLE, ""): 1,
    }
    names = [f.item.name for f in choose(found, Wanted(text="TEN"), "by name")]
    assert names == ["same/ten.png", "ten.png"]
    assert [f.item.name for f in choose(found, Wanted(("class", "2")))] == ["deep/two.png"]
    assert [f.item.name for f in choose(found, Wanted((UNREADABLE, "")))] == ["broken.png"]
    sure = [f.sure for f in choose(found, Wanted(), "surest first") if not f.answer.error]
    assert sure == sorted(sure, reverse=True)
    assert [f.label for f in choose(found, Wanted(), "by class")] == ["1", "2", "10", "10", None, None]
    assert choose(found, Wanted(), "least sure first")[-1].item.name == "broken.png"
    low = sorted(f.sure for f in found if not f.answer.error)[0]
    assert len(choose(found, Wanted(low=low + 1e-9))) == len(found) - 1  # what has no certainty is not hidden by it


def test_the_zip_has_a_folder_for_each_class_and_the_bytes_as_they_came(pile: Pile, trained: Run) -> None:
    assert write_sorted_zip(pile, read_answers(pile, trained, "plain")) == 5
    with zipfile.ZipFile(sorted_zip(pile)) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    rows = list(csv.DictReader(io.StringIO(packed.pop("answers.csv").decode("utf-8-sig"))))
    assert packed == {
        "1/=one.png": FILES["=one.png"],
        "2/two.png": FILES["deep/two.png"],
        "10/ten.png": FILES["same/ten.png"],
        "10/ten (2).png": FILES["ten.png"],
        "_unknown/strange.png": FILES["strange.png"],
    }
    assert [r["file"] for r in rows] == ["'=one.png", *list(FILES)[1:]]
    assert [bool(r["error"]) for r in rows] == [name == "broken.png" for name in FILES]


def test_a_stopped_zip_is_not_kept(pile: Pile, trained: Run) -> None:
    asked: list[int] = []
    write_sorted_zip(
        pile,
        read_answers(pile, trained, "plain"),
        should_stop=lambda: asked.append(1) or len(asked) > 1,  # type: ignore[func-returns-value]
    )
    assert not sorted_zip(pile).exists()


def test_a_correction_joins_counts_as_waiting_and_can_be_taken_back(pile: Pile, trained: Run) -> None:
    strange = by_name(pile, trained)["strange.png"].item
    taken = join_items(pile, [(strange, "2")], who="Ann")
    assert taken.joined.added == 1
    assert by_name(pile, trained)["strange.png"].label == "2"
    assert "corrected to" in csv_of(read_answers(pile, trained, "plain"))
    assert waiting_corrections(look(trained.project), trained) == 1
    assert forget_taken(taken) == 1
    assert by_name(pile, trained)["strange.png"].label is None
    assert waiting_corrections(look(trained.project), trained) == 0


def test_pictures_go_to_unsorted_without_a_class(pile: Pile, trained: Run) -> None:
    given = [(f.item, "") for f in read_answers(pile, trained, "plain") if not f.answer.error]
    taken = join_items(pile, given)
    assert taken.joined.added == len(look(trained.project).unsorted) == 5
    assert waiting_corrections(look(trained.project), trained) == 0


def test_a_picture_that_is_gone_is_left_out_of_the_zip_and_refused_with_its_reason(
    trained: Run, tmp_path: Path, pile: Pile
) -> None:
    found = by_name(pile, trained)["ten.png"]
    found.item.path.unlink()
    assert write_sorted_zip(pile, [found]) == 0
    taken = join_items(pile, [(found.item, "10")])
    assert taken.joined.added == 0
    assert "cannot be opened" in taken.joined.refused[0].reason
