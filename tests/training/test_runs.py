"""Run folders: a frozen manifest, honest states, a damaged run that hurts no other, concerns in plain words."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from imgtag.core import locks, storage
from imgtag.core.errors import Conflict, ImgtagError, NotEnough, NotFound
from imgtag.data import class_edits
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.data.splits import record_splits
from imgtag.review.metrics import evaluate, read_predictions
from imgtag.training.concerns import concerns
from imgtag.training.model import load_model
from imgtag.training.recipes import Recipe
from imgtag.training.runs import ACTIVE_STATES, FINAL_STATES, Run, create_run, find_run, list_runs
from tests.drawing import picture, sha, write_tree
from tests.prepared import draw_numbers

ROOT = Path(__file__).resolve().parents[2]
STATES = {*FINAL_STATES, *ACTIVE_STATES, "interrupted", "damaged"}


def say(run: Run, **status: object) -> Run:
    """Write status.json and look afresh."""
    storage.write_json(run.path / "status.json", status)
    return Run(run.path)


# ----------------------------------------------------------------------------- the manifest


def test_the_manifest_names_every_picture_with_hash_class_and_split(shapes: Project) -> None:
    run = create_run(shapes, Recipe())
    rows = run.manifest()
    assert len(rows) == 24
    for row in rows:
        assert sha((shapes.path / row.path).read_bytes()) == row.sha256
        assert row.path.split("/")[1] == row.label
    assert Counter(row.label for row in rows) == {"circle": 12, "square": 12}
    for label in ("circle", "square"):
        splits = Counter(row.split for row in rows if row.label == label)
        assert (splits["train"], splits["val"] + splits["test"]) in ((8, 4), (9, 3))
        assert splits["val"] >= 1


def test_the_manifest_is_frozen_while_the_folder_changes(shapes: Project) -> None:
    run = create_run(shapes, Recipe())
    before = (run.path / "manifest.csv").read_bytes()
    config = (run.path / "config.json").read_bytes()
    (shapes.images / "circle" / "circle-0.png").unlink()
    (shapes.images / "square").rename(shapes.images / "box")
    shapes.set_display_names({"circle": "ring"})
    look(shapes)
    again = find_run(shapes, run.id)
    assert (run.path / "manifest.csv").read_bytes() == before
    assert (run.path / "config.json").read_bytes() == config
    assert len(again.manifest()) == 24
    assert again.classes == ["circle", "square"]
    assert again.display_name("circle") == "circle"


def test_display_names_are_frozen_too(shapes: Project) -> None:
    shapes.set_display_names({"circle": "a ring"})
    run = create_run(shapes, Recipe())
    shapes.set_display_names({"circle": "something else"})
    assert Run(run.path).display_name("circle") == "a ring"
    assert Run(run.path).display_name("square") == "square"


def test_classes_stand_in_natural_order(project: Project) -> None:
    draw_numbers(project, 3)
    assert create_run(project, Recipe()).classes == ["1", "2", "10"]


def test_two_runs_in_the_same_second_have_their_own_folders(shapes: Project) -> None:
    runs = [create_run(shapes, Recipe()) for _ in range(3)]
    assert len({run.id for run in runs}) == 3
    assert {run.id for run in list_runs(shapes)} == {run.id for run in runs}


def test_a_picture_keeps_its_split_from_run_to_run(shapes: Project) -> None:
    first = {row.sha256: row.split for row in create_run(shapes, Recipe()).manifest()}
    write_tree(shapes.images / "circle", {f"new-{n}.png": picture("red", 500 + n) for n in range(5)})
    second = {row.sha256: row.split for row in create_run(shapes, Recipe()).manifest()}
    assert len(second) == 29
    assert {id_: second[id_] for id_ in first} == first


# ----------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("classes", [0, 1])
def test_under_two_classes_there_is_no_run_and_no_folder(project: Project, classes: int) -> None:
    if classes:
        write_tree(project.images / "only", {f"{n}.png": picture("red", n) for n in range(5)})
    with pytest.raises(NotEnough) as refused:
        create_run(project, Recipe())
    assert "two classes" in refused.value.title
    assert refused.value.next_step
    assert list_runs(project) == []


def test_classes_without_training_pictures_are_left_out_or_refused(shapes: Project) -> None:
    squares = [p.id for p in look(shapes).labelled if p.label == "square"]
    circles = [p.id for p in look(shapes).labelled if p.label == "circle"]
    record_splits(shapes, {**dict.fromkeys(squares, "test"), **dict.fromkeys(circles, "train")})
    with pytest.raises(NotEnough) as refused:
        create_run(shapes, Recipe())
    assert "training pictures" in refused.value.title
    write_tree(shapes.images / "third", {f"{n}.png": picture("green", n) for n in range(5)})
    ids = {p.id: "train" for p in look(shapes).labelled if p.label == "third"}
    record_splits(shapes, ids)
    run = create_run(shapes, Recipe())
    assert run.classes == ["circle", "third"]
    assert {row.label for row in run.manifest()} == {"circle", "third"}


def test_an_unknown_run_is_not_found_and_ids_are_never_paths(shapes: Project) -> None:
    run = create_run(shapes, Recipe())
    for id_ in ("nope", "../../toys/runs/" + run.id, f"{run.id}/", ".", "..", str(run.path)):
        with pytest.raises(NotFound):
            find_run(shapes, id_)
    with pytest.raises(NotFound):
        find_run(shapes)  # no run has a model yet


def test_nothing_is_trained_while_pictures_are_still_coming_in(shapes: Project) -> None:
    with locks.locked(shapes.cache / "importing" / "an import.lock"), pytest.raises(Conflict) as refused:
        create_run(shapes, Recipe())
    assert "still coming in" in refused.value.title
    assert create_run(shapes, Recipe()).classes == ["circle", "square"]


# ----------------------------------------------------------------------------- states


def test_a_new_run_is_starting_but_not_for_ever(shapes: Project) -> None:
    run = create_run(shapes, Recipe())
    assert Run(run.path).state == "starting"
    assert say(run, state="starting", updated=time.time() - 3600).state == "interrupted"


def test_a_stale_status_is_not_shown_as_running(shapes: Project) -> None:
    """The status says running, written just now, and names a living process: only the held lock counts."""
    run = say(create_run(shapes, Recipe()), state="running", updated=time.time(), pid=os.getpid())
    assert run.state == "interrupted"
    assert not run.active


def test_a_held_lock_means_running_until_its_process_dies(shapes: Project) -> None:
    run = say(create_run(shapes, Recipe()), state="running", updated=0)
    code = (
        "import sys, time; from pathlib import Path; from imgtag.core import locks\n"
        "with locks.locked(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path / "lock")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        assert Run(run.path).state == "running"
        for phase in ("waiting", "paused"):
            said = say(run, state="running", phase=phase)
            assert (said.state, said.active) == (phase, True)
        (run.path / "stop").touch()
        assert Run(run.path).state == "stopping"
        holder.kill()
        holder.wait(10)
        assert Run(run.path).state == "interrupted"
    finally:
        holder.kill()
        holder.wait(10)


@pytest.mark.parametrize("state", FINAL_STATES)
def test_the_last_word_is_believed(shapes: Project, state: str) -> None:
    run = say(create_run(shapes, Recipe()), state=state)
    assert run.state == state
    assert not run.active


# ----------------------------------------------------------------------------- damage

FILES = ("config.json", "manifest.csv", "status.json", "metrics.jsonl", "predictions.csv", "log.txt",
         "model/model.json", "model/model.safetensors", "lock")  # fmt: skip


def use_everything(run: Run) -> None:
    """Whatever a page or a command asks of a run; only errors in words may come out."""
    assert run.state in STATES
    _ = run.active, run.has_model, run.classes, run.created, run.recipe
    run.manifest(), run.metrics(), run.log_text(), read_predictions(run)
    for attempt in (lambda: evaluate(run, "val"), lambda: load_model(run)):
        with contextlib.suppress(ImgtagError):  # nothing else may come out
            attempt()


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["deleted", "emptied", "halved", "garbage"])
def test_damage_to_one_run_raises_nothing_and_leaves_the_others_whole(trained: Run, file: str, damage: str) -> None:
    project = trained.project
    whole = create_run(project, Recipe())
    path = trained.path / file
    if not path.exists():
        path.write_text("")
    data = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "halved":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.write_bytes(b"\xff\xfe[3, null]" + data[: len(data) // 3])
    runs = {run.id: run for run in list_runs(project)}
    assert set(runs) == {trained.id, whole.id}
    use_everything(runs[trained.id])
    assert runs[whole.id].state == "starting"
    assert len(runs[whole.id].manifest()) == 36
    if file == "config.json" or (file, damage) == ("manifest.csv", "deleted"):
        assert runs[trained.id].state == "damaged"
        with pytest.raises(ImgtagError, match="damaged"):
            evaluate(runs[trained.id], "val")


@pytest.mark.parametrize("content", ["[]", "3", "null", '"x"', '{"state": 3}', '{"state": "starting", "updated": "x"}',
                                     '{"state": "starting", "updated": null}', '{"state": null}', "{}"])  # fmt: skip
def test_a_status_of_another_shape_raises_nothing(shapes: Project, content: str) -> None:
    run = create_run(shapes, Recipe())
    (run.path / "status.json").write_text(content)
    assert Run(run.path).state == "interrupted"


@pytest.mark.parametrize("content", ["[]", "3", '{"classes": []}', '{"classes": "ab"}', '{"classes": 7}',
                                     '{"classes": ["a", "b"], "recipe": 3, "display_names": []}'])  # fmt: skip
def test_a_config_of_another_shape_raises_nothing(shapes: Project, content: str) -> None:
    run = create_run(shapes, Recipe())
    (run.path / "config.json").write_text(content)
    again = Run(run.path)
    use_everything(again)
    assert again.state in {"damaged", "starting"}
    assert again.display_name("circle") == "circle"


def test_a_manifest_cut_inside_a_letter_is_read_as_far_as_it_goes(project: Project) -> None:
    for label in ("été", "hiver"):
        write_tree(project.images / label, {f"{n}.png": picture("red", n + len(label) * 50) for n in range(3)})
    run = create_run(project, Recipe())
    data = (run.path / "manifest.csv").read_bytes()
    (run.path / "manifest.csv").write_bytes(data[: data.rindex("é".encode()) + 1])
    assert len(Run(run.path).manifest()) < 6


def test_stray_files_among_the_runs_are_no_runs(shapes: Project) -> None:
    run = create_run(shapes, Recipe())
    (shapes.runs / ".DS_Store").touch()
    (shapes.runs / "notes.txt").touch()
    (shapes.runs / "empty").mkdir()
    found = {r.id: r.state for r in list_runs(shapes)}
    assert found == {run.id: "starting", "empty": "damaged"}


def test_a_damaged_run_with_a_model_does_not_hide_a_whole_one(trained: Run) -> None:
    """The newest run lost its config.json: what is asked without an id comes from the whole, older one."""
    import shutil

    newer = trained.path.with_name("99991231-235959-quick")
    shutil.copytree(trained.path, newer)
    assert find_run(trained.project).id == newer.name
    (newer / "config.json").unlink()
    assert find_run(trained.project).id == trained.id


# ----------------------------------------------------------------------------- concerns


def titles(project: Project) -> str:
    return " ".join(concern.title for concern in concerns(look(project)))


def test_a_good_set_raises_no_concern(shapes: Project) -> None:
    assert concerns(look(shapes)) == []


def test_one_class_is_a_blocking_concern_in_words(project: Project) -> None:
    write_tree(project.images / "only", {"1.png": picture()})
    (found,) = concerns(look(project))
    assert found.blocking
    assert "two classes" in found.title and found.explanation and found.remedy


def test_imported_classes_that_are_for_checking_only_are_named(shapes: Project) -> None:
    of = {p.id: p.label for p in look(shapes).labelled}
    record_splits(shapes, {id_: "test" if label == "circle" else "train" for id_, label in of.items()})
    (found,) = concerns(look(shapes))
    assert found.title == "1 class has no training pictures."
    assert "circle" in found.explanation and not found.blocking


def test_what_failed_with_a_round_learnt_can_go_on(shapes: Project) -> None:
    run = create_run(shapes, Recipe())
    storage.write_json(run.path / "status.json", {"state": "failed"})
    assert not Run(run.path).can_go_on
    (run.path / "resume.ckpt").touch()
    assert Run(run.path).can_go_on
    storage.write_json(run.path / "status.json", {"state": "finished"})
    assert not Run(run.path).can_go_on


def test_small_classes_are_named_with_their_numbers(shapes: Project) -> None:
    write_tree(shapes.images / "rare", {f"{n}.png": picture("green", n) for n in range(3)})
    shapes.set_display_names({"rare": "Very rare"})
    (found,) = (c for c in concerns(look(shapes)) if "under" in c.title)
    assert found.title.startswith("1 class has under 10")
    assert "Very rare (3)" in found.explanation
    assert not found.blocking


def test_unequal_classes_name_the_largest_and_the_smallest(shapes: Project) -> None:
    write_tree(shapes.images / "circle", {f"m{n}.png": picture("red", 100 + n) for n in range(60)})
    (found,) = (c for c in concerns(look(shapes)) if "unequal" in c.title)
    assert "“circle” has 72 pictures, “square” 12" in found.explanation
    assert "square" in found.remedy


def test_unsorted_and_doubtful_pictures_are_counted(shapes: Project) -> None:
    write_tree(shapes.unsorted, {"a.png": picture("green", 1), "b.png": picture("green", 2)})
    (shapes.images / "square" / "copy.png").write_bytes((shapes.images / "circle" / "circle-3.png").read_bytes())
    assert "2 pictures are not sorted yet." in titles(shapes)
    assert "two class folders at once" in titles(shapes)
    run = create_run(shapes, Recipe())
    assert sha((shapes.images / "square" / "copy.png").read_bytes()) not in {row.sha256 for row in run.manifest()}


def test_a_class_that_is_left_out_stays_out_also_under_another_name(numbers: Project) -> None:
    numbers.change_settings(left_out=["10", "gone"])
    assert look(numbers).left_out == {"10"}
    run = create_run(numbers, Recipe())
    assert run.classes == ["1", "2"]
    assert {row.label for row in run.manifest()} == {"1", "2"}
    assert [c.title for c in concerns(look(numbers)) if "Left out" in c.title] == ["Left out of training: ten."]
    class_edits.rename_class(numbers, "10", "tens")
    assert look(numbers).left_out == {"tens"}
    numbers.change_settings(left_out=["1", "2"])
    with pytest.raises(NotEnough, match="two classes"):
        create_run(numbers, Recipe())
