"""Requests in a line: together, in turns, each with its own answers or its own error, and nothing left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgtag.core.errors import BadModel, Busy
from imgtag.serving import batching
from imgtag.serving.batching import TOGETHER, File, Line, classify
from imgtag.serving.predictor import Answer, Tag
from imgtag.serving.views import Way
from imgtag.training.runs import Run
from tests.drawing import picture

PATIENCE_S = 30


class Model:
    """Answers each file with its own name, writes down what it was asked together, and can be held up.

    A file called “poison” makes it fail, whoever else is in the batch; its thread is waited for, so no luck is needed.
    """

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.tops: list[int] = []
        self.entered, self.go_on = threading.Semaphore(0), threading.Event()
        self.go_on.set()

    def __call__(self, files: Sequence[File], top: int) -> list[Answer]:
        self.batches.append([name for name, _ in files])
        self.tops.append(top)
        self.entered.release()
        assert self.go_on.wait(PATIENCE_S)
        if any(name == "poison" for name, _ in files):
            raise ValueError("poison")
        return [Answer(name, tuple(Tag(f"{name}{n}", "", 0.5) for n in range(top))) for name, _ in files]

    async def at_work(self) -> None:
        """Wait until a batch has been begun."""
        assert await asyncio.to_thread(self.entered.acquire, timeout=PATIENCE_S)


def files(*names: str) -> list[File]:
    return [(name, b"") for name in names]


def names(answers: Sequence[Answer]) -> list[str]:
    return [answer.file for answer in answers]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run it to its end, and see that no thread of its own and no task is left.

    In a thread: a browser test that ran before has left a loop at work in this one.
    """
    before = set(threading.enumerate())

    async def whole() -> None:
        await asyncio.wait_for(scenario(), PATIENCE_S)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, whole()).result()
    left = [t for t in set(threading.enumerate()) - before if "AnyIO" not in t.name]
    assert left == []


async def line_up(line: Line, *requests: Sequence[str], top: int = 1) -> list[asyncio.Task[list[Answer]]]:
    """Requests that have all taken their place before anything else happens."""
    tasks = [asyncio.create_task(line.ask(files(*request), top)) for request in requests]
    await asyncio.sleep(0)
    return tasks


def test_a_single_request_is_asked_at_once_and_alone() -> None:
    model = Model()

    async def scenario() -> None:
        line = Line(model)
        assert names(await line.ask(files("a"), 3)) == ["a"]
        assert (model.batches, model.tops, line.idle) == ([["a"]], [3], True)

    run(scenario)


def test_what_comes_while_it_works_is_answered_together_in_turns() -> None:
    model = Model()

    async def scenario() -> None:
        line = Line(model)
        model.go_on.clear()
        tasks = await line_up(line, ["first"])
        await model.at_work()
        tasks += await line_up(line, ["a1", "a2", "a3"], ["b1"], ["c1", "c2"])
        assert line.length == 6
        model.go_on.set()
        found = [names(answers) for answers in await asyncio.gather(*tasks)]
        assert found == [["first"], ["a1", "a2", "a3"], ["b1"], ["c1", "c2"]]
        assert model.batches == [["first"], ["a1", "b1", "c1", "a2", "c2", "a3"]]

    run(scenario)


def test_a_long_list_does_not_hold_up_a_single_picture() -> None:
    model = Model()

    async def scenario() -> None:
        line = Line(model)
        model.go_on.clear()
        (long,) = await line_up(line, [f"l{n}" for n in range(5 * TOGETHER)])
        await model.at_work()
        (short,) = await line_up(line, ["short"])
        model.go_on.set()
        assert names(await short) == ["short"]
        assert not long.done()
        assert "short" in model.batches[1]
        assert names(await long) == [f"l{n}" for n in range(5 * TOGETHER)]
        assert max(map(len, model.batches)) == TOGETHER

    run(scenario)


def test_each_gets_as_many_tags_as_it_asked_for() -> None:
    model = Model()

    async def scenario() -> None:
        line = Line(model)
        model.go_on.clear()
        first = await line_up(line, ["x"])
        await model.at_work()
        few, many = await line_up(line, ["a"], top=1), await line_up(line, ["b"], top=4)
        model.go_on.set()
        await asyncio.gather(*first)
        assert [len((await task)[0].tags) for task in (*few, *many)] == [1, 4]

    run(scenario)


def test_the_error_of_one_request_reaches_no_other() -> None:
    model = Model()

    async def scenario() -> None:
        line = Line(model)
        model.go_on.clear()
        tasks = await line_up(line, ["x"])
        await model.at_work()
        tasks += await line_up(line, ["a", "b"], ["ok", "poison", "ok2"], ["c"])
        model.go_on.set()
        first, good, bad, last = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(bad, ValueError)
        assert [names(found) for found in (first, good, last)] == [["x"], ["a", "b"], ["c"]]  # type: ignore[arg-type]
        assert names(await line.ask(files("later"), 1)) == ["later"]

    run(scenario)


def test_too_many_are_refused_at_once_with_the_time_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGTAG_MAX_WAITING_PICTURES", "5")
    model = Model()

    async def scenario() -> None:
        line = Line(model)
        model.go_on.clear()
        tasks = await line_up(line, ["x"])
        await model.at_work()
        tasks += await line_up(line, ["a", "b", "c"], ["d", "e"])
        with pytest.raises(Busy) as caught:
            await line.ask(files("f"), 1)
        assert 1 <= caught.value.wait_s <= 60
        model.go_on.set()
        assert [len(found) for found in await asyncio.gather(*tasks)] == [1, 3, 2]
        assert names(await line.ask(files(*"abcdefgh"), 1)) == list("abcdefgh"), "a lone request is always taken"

    run(scenario)


def test_a_client_that_goes_away_is_passed_over() -> None:
    model = Model()

    async def scenario() -> None:
        line = Line(model)
        model.go_on.clear()
        (first,) = await line_up(line, ["x"])
        await model.at_work()
        gone, stays = await line_up(line, ["gone"], ["stays"])
        gone.cancel()
        await asyncio.sleep(0)
        model.go_on.set()
        assert names(await stays) == ["stays"]
        await first
        assert model.batches == [["x"], ["stays"]]

    run(scenario)


def test_no_file_needs_no_model() -> None:
    async def scenario() -> None:
        model = Model()
        assert await Line(model).ask([], 1) == []
        assert model.batches == []

    run(scenario)


def test_requests_for_a_real_model_at_the_same_time(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty requests of one event loop: their own answers, in fewer batches than requests, and no line is kept."""
    batches: list[int] = []
    real = batching.kept_predictor

    def counted(run: Run) -> object:
        predictor = real(run)

        class Counted:
            def classify(self, some: Sequence[File], top: int, way: Way) -> list[Answer]:
                batches.append(len(some))
                return predictor.classify(some, top=top, way=way)

        return Counted()

    monkeypatch.setattr(batching, "kept_predictor", counted)
    colours = {"green": ("circle", "1"), "red": ("circle", "2"), "blue": ("square", "10")}

    async def ask(number: int) -> None:
        colour = list(colours)[number % 3]
        shape, label = colours[colour]
        good = (f"{number}", picture(colour, 3000 + number, shape=shape))
        answers = await classify(trained, [good, ("bad", b"<html>")] if number % 5 == 0 else [good], 1)
        assert (answers[0].file, answers[0].tags[0].label) == (f"{number}", label)
        if number % 5 == 0:
            assert answers[1].error and not answers[1].tags

    async def scenario() -> None:
        await asyncio.gather(*(ask(number) for number in range(40)))
        assert batching._lines == {}

    run(scenario)
    assert sum(batches) == 48
    assert len(batches) <= 4, "the first to come, then all others in full batches"


def test_a_damaged_model_is_told_to_everybody_who_asks(trained: Run) -> None:
    (Path(trained.path) / "model" / "model.safetensors").write_bytes(b"")

    async def scenario() -> None:
        found = await asyncio.gather(*(classify(trained, files(f"{n}")) for n in range(3)), return_exceptions=True)
        assert [type(error) for error in found] == [BadModel] * 3
        assert batching._lines == {}

    run(scenario)
