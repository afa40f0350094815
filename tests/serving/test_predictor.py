"""The predictor: answers as in the run, bad files beside good ones, several callers at once."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgtag.core.errors import BadModel
from imgtag.review.metrics import read_predictions
from imgtag.serving import predictor as predictor_module
from imgtag.serving.predictor import Answer, kept_predictor, load_predictor
from imgtag.training.extractor import load_extractor
from imgtag.training.features import mirrored, network_input
from imgtag.training.runs import Run
from tests.drawing import picture
from tests.prepared import bytes_of, copy_balanced


def chances(answer: Answer) -> dict[str, float]:
    return {tag.label: tag.probability for tag in answer.tags}


def test_a_picture_of_the_run_gets_the_answer_in_predictions_csv(trained: Run) -> None:
    predictions = read_predictions(trained)
    answers = load_predictor(trained).classify((p.path, trained.project.path / p.path) for p in predictions)
    assert len(answers) == 36
    for p, answer in zip(predictions, answers, strict=True):
        assert answer.file == p.path
        assert answer.tags[0].label == p.predicted
        assert chances(answer) == pytest.approx(p.top, abs=0.01)


def test_two_networks_and_mirrored_pictures_give_the_answer_in_predictions_csv(ready: Path) -> None:
    run = copy_balanced(ready)
    predictions = read_predictions(run)
    predictor = load_predictor(run)
    assert (len(predictor.model.members), predictor.model.mirror, len(predictions)) == (2, True, 36)
    answers = predictor.classify((p.path, run.project.path / p.path) for p in predictions)
    for p, answer in zip(predictions, answers, strict=True):
        assert answer.tags[0].label == p.predicted
        assert chances(answer) == pytest.approx(p.top, abs=0.01)


def test_a_new_picture_is_asked_of_each_member_both_ways_round(ready: Path) -> None:
    """The mean of four answers, each worked out here from the network, its own input and its own head."""
    predictor = load_predictor(copy_balanced(ready))
    data = bytes_of("green", 7)
    said = []
    for member in predictor.model.members:
        pixels = network_input(data, member.row.preprocessing)[None]
        for view in (pixels, mirrored(pixels)):
            features = load_extractor(member.row).run(view).astype("float16")
            said.append(member.head.probabilities(features)[0])
    (answer,) = predictor.classify([("new", data)])
    expected = dict(zip(predictor.model.classes, sum(said) / 4, strict=True))
    assert chances(answer) == pytest.approx(expected, abs=1e-3)
    sizes = {member.row.preprocessing.size for member in predictor.model.members}
    assert len(sizes) == 2, "each wants its own input"


def test_the_tag_shows_the_name_people_gave(trained: Run) -> None:
    (answer,) = load_predictor(trained).classify([("x", picture("blue", 900, shape="square"))])
    assert (answer.tags[0].label, answer.tags[0].display) == ("10", "ten")
    assert answer.as_dict()["tags"][0]["class"] == "10"
    assert sum(chances(answer).values()) == pytest.approx(1, abs=1e-4)
    assert [t.probability for t in answer.tags] == sorted((t.probability for t in answer.tags), reverse=True)


def test_bytes_and_path_of_a_picture_get_the_same_answer(trained: Run, tmp_path: Path) -> None:
    data = picture("red", 901)
    (tmp_path / "file.png").write_bytes(data)
    by_bytes, by_path = load_predictor(trained).classify([("a", data), ("b", tmp_path / "file.png")])
    assert chances(by_bytes) == pytest.approx(chances(by_path), abs=1e-3)


def test_a_bad_file_among_good_ones_is_named_and_shifts_nothing(trained: Run, tmp_path: Path) -> None:
    good = {
        f"{n}": picture("blue" if n % 2 else "red", 910 + n, shape="square" if n % 2 else "circle") for n in range(5)
    }
    files: list[tuple[str, bytes | Path]] = list(good.items())
    files[1:1] = [("page.jpg", b"<!DOCTYPE html>"), ("empty.png", b""), ("gone.png", tmp_path / "gone.png")]
    answers = load_predictor(trained).classify(files)
    assert [a.file for a in answers] == [name for name, _ in files]
    for answer in answers:
        if answer.file in good:
            assert answer.error is None
            assert answer.tags[0].label == ("10" if int(answer.file) % 2 else "2")
        else:
            assert answer.error
            assert answer.tags == ()
    assert "web page" in (answers[1].error or "")


def test_no_file_gives_no_answer_and_only_bad_files_are_fine(trained: Run) -> None:
    predictor = load_predictor(trained)
    assert predictor.classify([]) == []
    assert [bool(a.error) for a in predictor.classify([("x", b"x"), ("y", b"")])] == [True, True]


def test_more_files_than_one_batch_keep_their_order(trained: Run) -> None:
    predictor = load_predictor(trained)
    files = [(str(n), picture(("green", "red")[n % 2], 920 + n)) for n in range(70)]
    answers = predictor.classify(files)
    assert [a.file for a in answers] == [str(n) for n in range(70)]
    assert [a.tags[0].label for a in answers] == [("1", "2")[n % 2] for n in range(70)]


def test_top_limits_the_number_of_tags(trained: Run) -> None:
    predictor = load_predictor(trained)
    for top, expected in ((1, 1), (2, 2), (50, 3)):
        (answer,) = predictor.classify([("x", picture("red", 930))], top)
        assert len(answer.tags) == expected


def test_callers_at_the_same_time_get_their_own_answers(trained: Run) -> None:
    predictor = load_predictor(trained)
    colours = {"green": ("circle", "1"), "red": ("circle", "2"), "blue": ("square", "10")}

    def ask(number: int) -> bool:
        colour = list(colours)[number % 3]
        shape, label = colours[colour]
        (answer,) = predictor.classify([(colour, picture(colour, 940 + number, shape=shape))])
        return answer.file == colour and answer.tags[0].label == label

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(48)))


def test_a_kept_predictor_is_loaded_once_and_anew_after_a_change(trained: Run) -> None:
    first = kept_predictor(trained)
    assert kept_predictor(trained) is first
    weights = trained.path / "model" / "model.safetensors"
    weights.touch()
    assert kept_predictor(trained) is not first


def test_many_who_ask_first_load_a_model_once_and_hold_up_no_other(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first model is held up while it is loaded: another one answers meanwhile, and all who wait get the same."""
    copy = Run(trained.path.with_name("slow"))
    shutil.copytree(trained.path, copy.path)
    loads: list[str] = []
    entered, go_on = threading.Event(), threading.Event()
    real = predictor_module.load_predictor

    def held_up(run: Run) -> predictor_module.Predictor:
        loads.append(run.id)
        if run.id == "slow":
            entered.set()
            assert go_on.wait(60)
        return real(run)

    monkeypatch.setattr(predictor_module, "load_predictor", held_up)
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(kept_predictor, copy) for _ in range(5)]
        assert entered.wait(60)
        (answer,) = pool.submit(kept_predictor, trained).result(60).classify([("x", picture("red", 980))])
        assert answer.tags[0].label == "2"
        go_on.set()
        assert len({id(task.result(60)) for task in waiting}) == 1
    assert sorted(loads) == sorted(["slow", trained.id])
    assert not predictor_module._loading


def test_a_model_that_cannot_be_loaded_can_be_tried_again(trained: Run) -> None:
    weights = trained.path / "model" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(BadModel):
            kept_predictor(trained)
    weights.write_bytes(whole)
    assert kept_predictor(trained).classify([("x", picture("red", 981))])[0].tags[0].label == "2"


def test_files_are_taken_as_they_are_needed_and_no_thread_is_left(trained: Run) -> None:
    """A million files do not all lie in memory at once."""
    predictor = load_predictor(trained)
    predictor.classify([("x", b"")] * 3)
    before = threading.active_count()
    taken = 0

    def endless() -> Iterator[tuple[str, bytes]]:
        nonlocal taken
        while True:
            taken += 1
            yield f"{taken}", b"no picture"

    decoded = predictor._decoded(endless(), "plain")
    next(decoded)
    assert taken <= 100
    decoded.close()
    assert threading.active_count() == before


def test_the_server_keeps_few_models_in_memory(trained: Run) -> None:
    first = kept_predictor(trained)
    for number in range(3):
        copy = trained.path.with_name(f"copy-{number}")
        shutil.copytree(trained.path, copy)
        kept_predictor(Run(copy))
    assert kept_predictor(trained) is not first


def test_a_damaged_model_is_refused(trained: Run) -> None:
    (trained.path / "model" / "model.safetensors").write_bytes(b"")
    with pytest.raises(BadModel):
        load_predictor(trained)
