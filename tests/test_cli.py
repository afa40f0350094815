"""The command line as scripts use it: real processes, one JSON object on stdout, exit status 2 with a reason."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from imgtag.data.projects import Project
from tests.drawing import encode, picture, scene, write_tree, zip_of

ROOT = Path(__file__).resolve().parents[1]


def imgtag(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "imgtag", *map(str, arguments)],
        cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip


def as_json(*arguments: object, cwd: Path = ROOT) -> Any:
    """The one JSON value that a command prints; nothing else may stand on stdout."""
    done = imgtag(*arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


def refused(*arguments: object, cwd: Path = ROOT) -> dict[str, str]:
    """The error of a command that must be refused: status 2, the promised shape, no traceback."""
    done = imgtag(*arguments, "--json", cwd=cwd)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    said = json.loads(done.stdout)
    assert set(said) == {"error"}
    assert set(said["error"]) == {"title", "explanation", "next_step"}
    assert said["error"]["title"]
    return said["error"]


def toys(folder: Path) -> Path:
    """A folder of two classes with 12 pictures each, one file that is no picture, and one hidden file."""
    for name, colour, shape in (("cat", "red", "circle"), ("dog", "blue", "square")):
        write_tree(folder / name, {f"{n}.png": picture(colour, n, shape=shape) for n in range(12)})
    return write_tree(folder, {"cat/broken.jpg": b"<!DOCTYPE html>", "cat/.hidden": b"x"})


# ----------------------------------------------------------------------------- one after the other


def test_from_a_folder_to_tags(ready: Path, tmp_path: Path) -> None:
    """new, import, train, evaluate, classify: what a script would do, with the promised keys."""
    made = as_json("new", "pets")
    assert Path(made["path"]) == ready / "pets"

    imported = as_json("import", "pets", toys(tmp_path / "source"))
    assert imported["added"] == 24
    assert imported["classes"] == {"cat": 12, "dog": 12}
    assert {Path(s["file"]).name: bool(s["reason"]) for s in imported["skipped"]} == {
        "broken.jpg": True,
        ".hidden": True,
    }

    trained = as_json("train", "pets", "--set", "epochs=20")
    assert set(trained) == {"run", "state", "seconds", "best_epoch", "val_accuracy", "val_loss"}
    assert trained["state"] == "finished"
    assert trained["val_accuracy"] == 1.0
    assert 1 <= trained["best_epoch"] <= 20

    found = as_json("evaluate", "pets", "--run", trained["run"])
    keys = {"split", "n", "accuracy", "macro_f1", "log_loss", "ece", "per_class", "confusion"}
    assert keys <= set(found)
    assert (found["split"], found["accuracy"]) == ("val", 1.0)
    assert sum(map(sum, found["confusion"])) == found["n"]
    assert {"class", "precision", "recall", "f1", "support", "train_count"} == set(found["per_class"][0])

    file = tmp_path / "new.png"
    file.write_bytes(picture("blue", 990, shape="square"))
    out = tmp_path / "out" / "answers.csv"
    good, bad = as_json("classify", "pets", file, tmp_path / "gone.png", "--csv", out, "--top", "1")
    assert set(good) == {"file", "tags", "unknown", "error"}
    assert (good["file"], good["error"], good["tags"][0]["class"]) == (str(file), None, "dog")
    assert len(good["tags"]) == 1
    assert bad["tags"] == [] and bad["error"]
    with open(out, encoding="utf-8-sig", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["file"] for row in rows] == [str(file), str(tmp_path / "gone.png")]
    assert rows[0]["tag 1"] == "dog"


def test_any_file_name_is_answered_by_any_pipe_and_the_table_is_as_wide_as_asked(
    numbers: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out = tmp_path / os.fsdecode(b"caf\xe9 \xd0\xba.png"), tmp_path / "table.csv"
    file.write_bytes(picture("blue", 990, shape="square"))
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = imgtag("classify", "numbers", file, "--csv", out, "--top", "2")
    assert done.returncode == 0 and "png: ten" in done.stdout, done.stderr
    assert as_json("classify", "numbers", file)[0]["tags"][0]["class"] == "10"
    columns = out.read_text("utf-8-sig").splitlines()[0].split(",")
    assert columns == ["file", "tag 1", "probability 1", "tag 2", "probability 2", "unknown", "error"]


def test_an_import_makes_the_project_and_takes_zips_with_splits(home: Path, tmp_path: Path) -> None:
    packed = tmp_path / "set.zip"
    packed.write_bytes(
        zip_of({f"{split}/{name}/{n}.png": picture(colour, n + first)
                for split, first in (("train", 0), ("valid", 50))
                for name, colour in (("2", "red"), ("10", "blue")) for n in range(3)})
    )  # fmt: skip
    said = as_json("import", "fresh", packed)
    assert said["added"] == 12
    assert said["classes"] == {"2": 6, "10": 6}
    assert list(said["classes"]) == ["2", "10"]
    splits = (home / "fresh" / "splits.csv").read_text().splitlines()[1:]
    assert sorted(line.split(",")[1] for line in splits) == ["train"] * 6 + ["val"] * 6
    again = as_json("import", "fresh", packed)
    assert (again["added"], len(again["skipped"])) == (0, 12)


def test_a_project_may_be_a_path_anywhere(home: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "mine"
    said = as_json("import", place, toys(tmp_path / "source"))
    assert said["added"] == 24
    assert (place / "images" / "cat").is_dir()
    assert not (home / "mine").exists()
    assert "no trained model yet" in refused("evaluate", place)["title"]


def test_no_wait_returns_at_once_with_the_run(ready: Path, tmp_path: Path) -> None:
    from imgtag.training.jobs import wait_for
    from imgtag.training.runs import Run

    as_json("import", "pets", toys(tmp_path / "source"))
    said = as_json("train", "pets", "--no-wait")
    assert said["state"] in ("starting", "running")
    assert said["val_accuracy"] is None
    assert wait_for(Run(ready / "pets" / "runs" / said["run"])).state == "finished"


def test_a_recipe_of_ones_own_is_written_with_set(numbers: Project) -> None:
    settings = ("hidden=8", "epochs=3", "batch_size=8", "mirror=no", "optimizer=sgd", "balance=weights")
    trained = as_json("train", "numbers", "--preset", "custom", *(part for s in settings for part in ("--set", s)))
    assert trained["state"] == "finished"
    assert 1 <= trained["best_epoch"] <= 3
    config = json.loads((numbers.path / "runs" / trained["run"] / "config.json").read_text())
    wanted = {"preset": "custom", "hidden": [8], "epochs": 3, "batch_size": 8, "mirror": False, "optimizer": "sgd",
              "balance": "weights"}  # fmt: skip
    assert {key: config["recipe"][key] for key in wanted} == wanted


def test_words_for_people_without_json(numbers: Project) -> None:
    done = imgtag("evaluate", "numbers", "--split", "test")
    assert done.returncode == 0
    assert "right" in done.stdout and "precision" in done.stdout
    failed = imgtag("evaluate", "nowhere")
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert "There is no project “nowhere”." in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_tag_is_the_class_folder_and_people_read_the_display_name(numbers: Project, tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(picture("blue", 991, shape="square"))
    (answer,) = as_json("classify", "numbers", file)
    assert answer["tags"][0]["class"] == "10"
    probabilities = [tag["probability"] for tag in answer["tags"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert "ten" in imgtag("classify", "numbers", file).stdout


# ----------------------------------------------------------------------------- refusals

REFUSALS = {
    "the home of nobody": ("new", "~nobody-here/toys"),
    "an unknown project": ("train", "nowhere"),
    "a name that cannot be a folder": ("new", "a:b"),
    "a preset that does not exist": ("train", "numbers", "--preset", "fastest"),
    "a setting that does not exist": ("train", "numbers", "--set", "colour=red"),
    "a setting out of range": ("train", "numbers", "--set", "epochs=0"),
    "a setting of another kind": ("train", "numbers", "--preset", "custom", "--set", "hidden=wide"),
    "a network twice": ("train", "numbers", "--set", "backbone=efficientnet_lite0+efficientnet_lite0"),
    "a run that does not exist": ("evaluate", "numbers", "--run", "../../numbers"),
    "a split that does not exist": ("evaluate", "numbers", "--split", "holdout"),
    "a missing argument": ("classify", "numbers"),
    "an unknown verb": ("dance", "numbers"),
    "no verb": (),
    "a number that is none": ("classify", "numbers", "x.png", "--top", "many"),
    "a table where a folder is": ("classify", "numbers", "x.png", "--csv", "."),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_cannot_be_done_is_refused_in_the_promised_shape(numbers: Project, tmp_path: Path, what: str) -> None:
    before = sorted(p.name for p in (numbers.path / "runs").iterdir())
    error = refused(*REFUSALS[what], cwd=tmp_path)
    assert error["explanation"] or error["next_step"]
    assert sorted(p.name for p in (numbers.path / "runs").iterdir()) == before


def test_an_existing_name_is_not_taken_twice(numbers: Project) -> None:
    assert "already" in refused("new", "Numbers")["title"]


def test_a_source_that_is_not_there_leaves_no_empty_project(home: Path) -> None:
    error = refused("import", "fresh", "/nowhere/at/all")
    assert "/nowhere/at/all" in error["title"]
    assert not (home / "fresh").exists()


def test_too_few_classes_are_refused_before_training(home: Path, tmp_path: Path) -> None:
    write_tree(tmp_path / "source" / "only", {f"{n}.png": picture("red", n) for n in range(4)})
    as_json("import", "lonely", tmp_path / "source")
    assert "two classes" in refused("train", "lonely")["title"]


def test_a_failed_training_is_an_error_with_its_reason(ready: Path, tmp_path: Path) -> None:
    as_json("import", "pets", toys(tmp_path / "source"))
    for number, path in enumerate((ready / "pets" / "images" / "dog").iterdir()):
        path.write_bytes(b"broken %d" % number)
    assert "Fewer than two classes" in refused("train", "pets")["title"]


def test_suspects_name_the_wrong_label_and_its_better(ready: Path, tmp_path: Path) -> None:
    source = toys(tmp_path / "source")
    (source / "cat" / "7.png").rename(source / "dog" / "a-cat.png")
    as_json("import", "pets", source)
    rows = as_json("suspects", "pets")
    assert rows[0]["file"].startswith("images/dog/a-cat")
    assert (rows[0]["label"], rows[0]["suggested"]) == ("dog", "cat")
    assert 0.5 < rows[0]["score"] <= 1
    assert set(rows[0]) == {"file", "label", "suggested", "score"}


def test_the_check_names_what_is_wrong_and_repairs_only_when_asked(home: Path, tmp_path: Path) -> None:
    twin = encode(scene(1))
    files = {"a/one.png": twin, "a/saved-again.jpg": encode(scene(1), "JPEG"), "b/other.png": encode(scene(2))}
    as_json("import", "pets", write_tree(tmp_path / "source", files))
    write_tree(home / "pets", {"images/a/copy.png": twin, "unsorted/broken.png": b"<html>"})
    found = as_json("check", "pets")
    assert found["checked"] == 4
    assert found["unreadable"] == ["unsorted/broken.png"]
    assert [len(group) for group in found["exact_duplicates"]] == [2]
    assert [len(group) for group in found["near_duplicates"]] == [2]
    assert found["split_leaks"] == found["label_conflicts"] == found["quality"] == found["in_doubt"] == []
    assert as_json("check", "pets") == found
    assert as_json("check", "pets", "--fix") == {**found, "fixed": {"copies": 1, "unreadable": 1, "leaks": 0}}
    mended = as_json("check", "pets")
    assert (mended["checked"], mended["unreadable"], mended["exact_duplicates"]) == (3, [], [])
    assert [len(group) for group in mended["near_duplicates"]] == [2]  # both may stay: they never part
    assert "3 pictures were looked at, 1 remarks." in imgtag("check", "pets").stdout


def test_several_views_are_compared_with_one(numbers: Project) -> None:
    found = as_json("evaluate", "numbers", "--tta")["tta"]
    assert [f["way"] for f in found] == ["plain", "fixed", "random"]
    assert found[0]["accuracy"] == as_json("evaluate", "numbers")["accuracy"]
    assert all(sum(c["n"] for c in f["per_class"]) == f["n"] and f["seconds"] > 0 for f in found)


def test_a_model_leaves_as_a_bundle_and_comes_in_elsewhere(numbers: Project, tmp_path: Path) -> None:
    made = as_json("export", "numbers", "--to", tmp_path / "model.zip", "--format", "bundle")
    assert made["format"] == "bundle"
    assert made["file"] == str(tmp_path / "model.zip")
    assert (made["agreement"], made["pictures"]) == (1.0, "validation")
    assert made["n"] > 0
    assert 0 <= made["largest_difference"] <= 0.05
    taken = as_json("import-model", "elsewhere", tmp_path / "model.zip")
    assert (taken["project"], taken["classes"]) == ("elsewhere", ["1", "2", "10"])
    file = next((numbers.images / "10").iterdir())
    assert as_json("classify", "numbers", file) == as_json("classify", "elsewhere", file)
    assert as_json("evaluate", "elsewhere") == as_json("evaluate", "numbers")
    with zipfile.ZipFile(tmp_path / "model.zip") as whole, zipfile.ZipFile(tmp_path / "spoilt.zip", "w") as spoilt:
        for name in whole.namelist():
            data = whole.read(name)
            spoilt.writestr(name, data[:-1] + b"x" if name.endswith(".safetensors") else data)
    assert "damaged" in str(refused("import-model", "fresh", tmp_path / "spoilt.zip"))
    assert "fresh" in refused("evaluate", "fresh")["title"], "the project that was made for it is gone"


def test_an_export_that_cannot_be_is_refused(numbers: Project, tmp_path: Path) -> None:
    assert "nowhere" in refused("export", "nowhere", "--to", "x")["title"]
    assert "no run" in refused("export", "numbers", "--to", "x", "--run", "y")["title"]
    (tmp_path / "no.zip").write_bytes(b"PK")
    assert "no bundle" in refused("import-model", "fresh", tmp_path / "no.zip")["title"]
    assert "fresh" in refused("evaluate", "fresh")["title"], "no project was made for it"


@pytest.mark.parametrize(
    "verb", ["new", "import", "train", "evaluate", "classify", "export", "import-model", "suspects", "check", "serve"]
)
def test_every_verb_of_the_contract_is_there_with_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    from imgtag.cli import main

    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_a_reader_that_hangs_up_early_is_no_error(numbers: Project) -> None:
    command = f'"{sys.executable}" -m imgtag evaluate numbers | head -c 1'
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
