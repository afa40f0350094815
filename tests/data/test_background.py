"""Background jobs: one of a kind at a time, with progress, a stop, and errors in words."""

from __future__ import annotations

import threading
import time

from imgtag.core.errors import ImgtagError, NotFound
from imgtag.data.background import Job, find_job, forget_job, start_job


def wait_for(job: Job, seconds: float = 20) -> Job:
    """The job, once it has ended."""
    end = time.monotonic() + seconds
    while not job.finished and time.monotonic() < end:
        time.sleep(0.01)
    assert job.finished, "the job did not end"
    return job


def test_a_job_ends_with_its_result() -> None:
    job = wait_for(start_job("result", "The sum", lambda job: 1 + 1))
    assert (job.result, job.error) == (2, None)
    assert find_job("result") is job


def test_while_a_job_is_at_work_no_second_one_of_its_kind_starts() -> None:
    go = threading.Event()
    first = start_job("once", "First", lambda job: go.wait(20))
    assert start_job("once", "Second", lambda job: "second") is first
    other = wait_for(start_job("other", "Other", lambda job: "other"))
    forget_job("once")
    assert find_job("once") is first
    go.set()
    assert (wait_for(first).result, other.result) == (True, "other")
    assert wait_for(start_job("once", "Third", lambda job: "third")).result == "third"
    forget_job("once")
    assert find_job("once") is None


def test_errors_reach_the_page_in_words() -> None:
    def known(job: Job) -> None:
        raise NotFound("It is gone.", "Somebody took it.", "Look elsewhere.")

    def unknown(job: Job) -> None:
        raise ZeroDivisionError("by zero")

    assert str(wait_for(start_job("known", "A", known)).error) == "It is gone. Somebody took it. Look elsewhere."
    error = wait_for(start_job("unknown", "The sum", unknown)).error
    assert isinstance(error, ImgtagError)
    assert str(error) == "The sum failed. ZeroDivisionError: by zero Try again."


def test_a_job_tells_how_far_it_is_and_hears_when_it_should_stop() -> None:
    def work(job: Job) -> str:
        job.report(1, 4, "one")
        while not job.should_stop():
            time.sleep(0.005)
        return "what was done"

    job = start_job("stop", "Work", work)
    end = time.monotonic() + 10
    while job.done != 1 and time.monotonic() < end:
        time.sleep(0.005)
    assert (job.total, job.message, job.finished) == (4, "one", False)
    job.stop()
    assert wait_for(job).result == "what was done"


def test_the_time_left_is_measured_and_not_guessed() -> None:
    job = Job("x")
    job.report(10, 40, "")
    assert job.eta_s is None  # too early to know
    job.started -= 10
    assert job.eta_s is not None
    assert 29 < job.eta_s < 32
    job.report(0, 40, "")
    assert job.eta_s is None


def test_waiting_for_an_end_ends_with_it_or_with_the_time() -> None:
    go = threading.Event()
    job = start_job("waited for", "Waiting", lambda job: go.wait(20))
    began = time.monotonic()
    job.wait(0.05)
    assert not job.finished
    go.set()
    job.wait(20)
    assert job.finished
    assert time.monotonic() - began < 15
