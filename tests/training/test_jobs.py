"""Real trainer processes: to the end, stopped, killed, resumed, started twice, two in line."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgtag.core import locks
from imgtag.core.errors import Conflict, NotEnough
from imgtag.data.projects import Project, create_project
from imgtag.review.metrics import evaluate, read_predictions
from imgtag.training import jobs
from imgtag.training.jobs import active_run, resume_training, start_training, stop_training, wait_for
from imgtag.training.model import load_model
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import Run, list_runs
from tests.drawing import picture, write_tree
from tests.prepared import many_pictures

MANY = 170  # pictures a class: more than the 256 of a shard, so that a kill leaves some of them cached


def workers(run: Run) -> list[int]:
    """Process ids of the living trainers of a run that were started here."""
    return [child.pid for child in jobs._children if str(run.path) in child.args and child.poll() is None]


@pytest.fixture(autouse=True)
def no_trainer_left() -> Iterator[None]:
    """Whatever a failed test leaves at work ends here, by its own id."""
    yield
    for child in jobs._children:
        if child.poll() is None:
            child.kill()
            child.wait(10)


def until(what: Callable[[], object], seconds: float = 30.0) -> float:
    """Wait until something is so; returns how long it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, "waited in vain"
        time.sleep(0.005)
    return time.monotonic() - began


def now(run: Run) -> Run:
    return Run(run.path)


def kill_hard(run: Run) -> None:
    (pid,) = workers(run)
    os.kill(pid, signal.SIGKILL)


def shards(project: Project) -> list[Path]:
    return list((project.cache / "features").rglob("*.safetensors"))


def test_training_goes_to_the_end_in_a_process_of_its_own(ready: Path, shapes: Project) -> None:
    run = start_training(shapes, make_recipe())
    until(lambda: workers(run))
    (pid,) = workers(run)
    assert os.getsid(pid) != os.getsid(0), "detached: it outlives the server"
    done = wait_for(run)
    assert done.state == "finished", done.log_text()
    assert done.status["val_accuracy"] == 1.0
    assert len(read_predictions(done)) == 24
    assert evaluate(done, "val").accuracy == 1.0
    assert load_model(done).classes == ("circle", "square")
    assert active_run(shapes) is None
    assert {"train", "val"} <= {p.split for p in read_predictions(done)}
    assert not (shapes.path / "runs" / done.id / "stop").exists()


def test_a_second_training_uses_what_was_seen_and_is_much_faster(ready: Path, project: Project) -> None:
    many_pictures(project, MANY)
    began = time.monotonic()
    first = wait_for(start_training(project, make_recipe()))
    middle = time.monotonic()
    second = wait_for(start_training(project, make_recipe()))
    ended = time.monotonic()
    assert (first.state, second.state) == ("finished", "finished")
    assert first.status["cached"] == 0
    assert second.status["cached"] == 2 * MANY
    assert not [row for row in second.metrics() if row["phase"] == "looking"]
    assert ended - middle < middle - began
    assert second.status["val_accuracy"] == first.status["val_accuracy"]


def test_stop_while_looking_keeps_the_best_and_is_quick(ready: Path, project: Project) -> None:
    many_pictures(project, MANY)
    run = start_training(project, make_recipe())
    until(lambda: now(run).status.get("phase") == "looking" and now(run).status.get("done", 0) >= 48)
    assert now(run).state == "running"
    stop_training(run)
    assert until(lambda: not now(run).active) < 10
    stopped = now(run)
    assert stopped.state == "stopped"
    assert stopped.has_model
    assert load_model(stopped).classes == ("box", "disc")
    assert 40 <= len(read_predictions(stopped)) < 2 * MANY
    assert stopped.status["val_accuracy"] > 0.8


def test_a_killed_trainer_is_seen_within_seconds_and_resumes_with_what_was_seen(ready: Path, project: Project) -> None:
    many_pictures(project, MANY)
    run = start_training(project, make_recipe())
    until(lambda: shards(project))
    kill_hard(run)
    assert until(lambda: now(run).state == "interrupted") < 5
    assert active_run(project) is None
    assert not now(run).has_model
    before = len(now(run).metrics())
    resumed = resume_training(now(run))
    assert resumed.id == run.id
    done = wait_for(resumed)
    assert done.state == "finished", done.log_text()
    assert 256 <= done.status["cached"] < 2 * MANY
    assert len(read_predictions(done)) == 2 * MANY
    assert len(done.metrics()) > before
    assert [row["t"] for row in done.metrics()] == sorted(row["t"] for row in done.metrics())
    assert len(list_runs(project)) == 1


def test_a_trainer_killed_before_its_first_picture_is_seen_within_seconds(ready: Path, shapes: Project) -> None:
    run = start_training(shapes, make_recipe())
    until(lambda: locks.is_held(run.path / "lock"))
    time.sleep(0.2)
    kill_hard(run)
    assert until(lambda: now(run).state == "interrupted") < 5


def test_resuming_a_run_that_is_at_work_is_refused(ready: Path, project: Project) -> None:
    many_pictures(project, MANY)
    run = start_training(project, make_recipe())
    with pytest.raises(Conflict):
        resume_training(run)
    assert now(run).active
    stop_training(run)
    wait_for(run)


def test_a_second_click_returns_the_run_that_is_at_work(ready: Path, shapes: Project) -> None:
    first = start_training(shapes, make_recipe())
    second = start_training(shapes, make_recipe())
    assert second.id == first.id
    until(lambda: workers(first))
    assert len(workers(first)) == 1
    assert len(list_runs(shapes)) == 1
    assert wait_for(first).state == "finished"
    assert active_run(shapes) is None


def test_trainings_of_two_projects_stand_in_line_and_both_finish(ready: Path, shapes: Project) -> None:
    other = create_project("others")
    many_pictures(other, 20)
    with locks.locked(ready / ".training.lock"):  # a third one is at work
        runs = [start_training(p, make_recipe()) for p in (other, shapes)]
        until(lambda: all(now(run).status.get("phase") == "waiting" for run in runs))
        assert all(now(run).active for run in runs)
        time.sleep(1.0)
    done = sorted((wait_for(run) for run in runs), key=lambda run: run.status["updated"])
    assert [run.state for run in done] == ["finished", "finished"]
    # `seconds` does not count the waiting, so this is when the second one began its work.
    began = done[1].status["updated"] - done[1].status["seconds"]
    assert began > done[0].status["updated"] - 0.5, "they worked at the same time"


def test_stopping_a_run_that_waits_ends_it_while_the_other_goes_on(ready: Path, shapes: Project) -> None:
    with locks.locked(ready / ".training.lock"):  # somebody trains
        run = start_training(shapes, make_recipe())
        until(lambda: now(run).status.get("phase") == "waiting")
        stop_training(run)
        until(lambda: not now(run).active)
    assert now(run).state == "stopped"
    assert "nothing was learnt" in now(run).status["message"]


def test_one_class_is_refused_before_a_process_starts(ready: Path, project: Project) -> None:
    write_tree(project.images / "only", {f"{n}.png": picture("red", n) for n in range(12)})
    with pytest.raises(NotEnough):
        start_training(project, make_recipe())
    assert list_runs(project) == []


def test_a_failed_training_says_why_and_leaves_a_log(ready: Path, shapes: Project) -> None:
    for number, path in enumerate((shapes.images / "square").iterdir()):
        path.write_bytes(b"broken %d" % number)
    run = wait_for(start_training(shapes, make_recipe()))
    assert run.state == "failed"
    error = run.status["error"]
    assert "Fewer than two classes" in error["title"]
    assert "12 pictures could not be read" in error["explanation"]
    assert error["next_step"]
    assert "square-3.png" in run.log_text()
    assert not run.has_model


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the loaded libraries are read from /proc")
def test_the_trainer_loads_no_torch_once_the_backbone_is_there(ready: Path, shapes: Project) -> None:
    run = start_training(shapes, make_recipe())
    until(lambda: workers(run))
    (pid,) = workers(run)
    libraries: set[str] = set()
    while now(run).active:
        try:
            lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        except OSError:
            break
        libraries |= {line.rpartition("/")[2] for line in lines if ".so" in line}
    assert any("openblas" in name or "multiarray" in name for name in libraries)
    if "OpenVINO" in wait_for(run).status["engine"]:
        assert not [name for name in libraries if name.startswith("libtorch")]
