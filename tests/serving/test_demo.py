"""What a demo shows, and that its settings are kept safely."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from imgtag.core.errors import BadPin
from imgtag.data import edits
from imgtag.data.projects import Project
from imgtag.review.metrics import read_predictions
from imgtag.serving.demo import (
    change_pin,
    demo_folder,
    facts_in_words,
    read_settings,
    save_settings,
    unseen,
    usual_examples,
    usual_settings,
)
from imgtag.serving.door import hash_pin
from imgtag.training.runs import Run


def test_settings_come_back_as_they_were_saved(trained: Run) -> None:
    settings = replace(usual_settings(trained), sentence="For “everybody”", network=True, pin=hash_pin("246810"))
    save_settings(trained.project, settings)
    assert read_settings(trained.project) == settings
    assert "246810" not in (demo_folder(trained.project) / "settings.json").read_text()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"run": "x", "title": "y", "pin": "secret"})])
def test_damaged_settings_are_none(project: Project, text: str) -> None:
    demo_folder(project).mkdir()
    (demo_folder(project) / "settings.json").write_text(text)
    assert read_settings(project) is None


def test_the_network_does_not_come_in_without_a_pin(trained: Run) -> None:
    with pytest.raises(BadPin):
        save_settings(trained.project, replace(usual_settings(trained), network=True))
    assert read_settings(trained.project) is None


def test_a_new_pin_takes_the_place_of_the_old_one(trained: Run) -> None:
    save_settings(trained.project, replace(usual_settings(trained), pin=hash_pin("111111")))
    change_pin(trained.project, hash_pin("222222"))
    found = read_settings(trained.project)
    assert found
    assert found.pin
    assert found.pin.fits("222222")
    assert not found.pin.fits("111111")


def test_examples_are_right_unlearnt_and_of_all_classes(trained: Run) -> None:
    found = usual_examples(trained)
    assert all(p.right and p.split in ("test", "val") for p in found)
    assert {p.label for p in found[:3]} == set(trained.classes)
    assert usual_settings(trained).examples == tuple(p.sha256 for p in found)


def test_pictures_that_are_gone_are_no_examples(trained: Run) -> None:
    first, *others = [p.sha256 for p in unseen(trained)]
    edits.trash_pictures(trained.project, [first])
    assert [p.sha256 for p in unseen(trained)] == others


def test_pictures_that_a_model_learnt_from_in_the_end_are_no_examples(trained: Run) -> None:
    assert {p.split for p in unseen(trained)} == {"test", "val"}
    status = json.loads((trained.path / "status.json").read_text())
    (trained.path / "status.json").write_text(json.dumps({**status, "refit": True}))
    assert {p.split for p in unseen(Run(trained.path))} == {"test"}


def test_the_foot_tells_how_often_it_is_right_on_the_strictest_pictures(trained: Run) -> None:
    test = [p for p in read_predictions(trained) if p.split == "test"]
    words = facts_in_words(trained)
    assert f"{sum(p.right for p in test)} of {len(test)} test pictures" in words
    assert "expect between" in words
    learnt = len([p for p in read_predictions(trained) if p.split == "train"])
    assert f"Trained on {learnt} pictures of 3 classes." in words
