"""The trainer process: python -m imgtag.training.worker RUN_DIR.

It holds the run's lock for as long as it lives and talks only through the run folder. Only one trainer works
at a time on a machine; others wait in line. Under `torchrun` several processes work at one run (see `parallel`).
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import platform
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from imgtag.core import locks, storage
from imgtag.core.errors import ImgtagError
from imgtag.training import parallel
from imgtag.training.progress import Watch
from imgtag.training.runs import FINAL_STATES, Run
from imgtag.training.tuning import BEST, BEST_HEAD, LAST
from imgtag.training.turns import Turn

log = logging.getLogger("imgtag.worker")


def main(run_dir: str) -> int:
    """Train one run; the exit status is 0 unless it failed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    tune_allocator()
    run = Run(Path(run_dir).absolute())
    if parallel.led():
        parallel.end_with_leader()
        return _work(run)
    lower_priority()
    if parallel.rank():
        return _work(run)
    with locks.locked(run.path / "lock"):
        processes = 1 if parallel.launched() else parallel.processes_for(run.recipe.devices)
        return _lead(run, processes) if processes > 1 else _work(run)


def _lead(run: Run, processes: int) -> int:
    """Hold the lock while several processes work, so that the run is alive also while they are started again."""
    watch = Watch(run.path)
    watch.phase("preparing", "Getting ready")  # from here on, a death is seen as one
    try:
        parallel.launch("imgtag.training.worker", str(run.path), processes)
    except Exception as error:  # each process has told the log why it fell
        if not _is_over(run):
            watch.finish("failed", error=_unexpected(error).as_dict())
    return 1 if Run(run.path).status.get("state") == "failed" else 0


def _work(run: Run) -> int:
    """Train, alone or as one of several, of which only the first says how far it is."""
    if parallel.launched() and _is_over(run):
        return 0  # all are started again when one falls, also at the end
    asked = run.status.get("updated")
    watch = Watch(run.path, silent=parallel.rank() > 0)
    watch.phase("preparing", "Getting ready")  # from here on, a death is seen as one
    try:
        _train(run, watch, asked)
    except ImgtagError as error:
        log.error("%s", error)
        return _fail(watch, error)
    except Exception as error:  # the page must learn of it; the log has the trace
        log.exception("the trainer failed")
        if _is_out_of_memory(error):
            return _fail(watch, _no_memory())
        return 1 if parallel.led() else _fail(watch, _unexpected(error))  # with others there will be a new attempt
    if not parallel.rank():
        _copy_for_tensorboard(run)
    return 0


def _fail(watch: Watch, error: ImgtagError) -> int:
    watch.silent = False  # any process may say what stopped them all
    watch.finish("failed", error=error.as_dict())
    return 1


def _is_over(run: Run) -> bool:
    return Run(run.path).status.get("state") in FINAL_STATES


def _train(run: Run, watch: Watch, asked: float | None) -> None:
    def keep_waiting(others: int) -> bool:
        more = "another training" if others == 1 else f"{others} other trainings"
        watch.phase("waiting", f"Waiting for {more} to finish")
        return not watch.stop_asked()

    turn = Turn(keep_waiting)
    began = time.monotonic()
    may_work = parallel.rank() > 0 or turn.take(asked)
    watch.began += time.monotonic() - began  # waiting is not training
    watch.while_paused = nullcontext if parallel.rank() else turn.lent
    try:
        parallel.join()
        if not parallel.of_the_first(may_work):
            watch.finish("stopped", message="Stopped while it was waiting: nothing was learnt.")
            return
        from imgtag.training.engine import train

        log.info("training %s", run.id)
        train(run, watch)
        if not parallel.rank():
            for name in (BEST, LAST, BEST_HEAD):
                storage.remove_file(run.path / name)
        parallel.leave()
    finally:
        turn.give_back()


def _copy_for_tensorboard(run: Run) -> None:
    """After the result is there: nobody waits for this."""
    from imgtag.training.event_log import EventLog

    try:
        EventLog(run.path).close()
    except (OSError, ImgtagError) as error:
        log.warning("no copy for TensorBoard: %s", error)


def tune_allocator() -> None:
    """Keep freed memory instead of returning it: doubles PyTorch's speed on CPU under glibc.

    Must run before torch is imported. Measured: 103 to 194-239 pictures a second on two cores.
    """
    if platform.system() != "Linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        m_trim_threshold, m_mmap_max = -1, -4  # malloc.h
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)


def lower_priority(by: int = 5) -> None:
    """Let the pages stay quick while training uses every core. by: 5 leaves them about three times as much, 10 nine."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(by)


def _is_out_of_memory(error: Exception) -> bool:
    return (
        isinstance(error, MemoryError)
        or "out of memory" in str(error).lower()
        or "can't allocate memory" in str(error).lower()
    )


def _no_memory() -> ImgtagError:
    return ImgtagError(
        "The memory of this computer was not enough.",
        "Other programs may be using much of it.",
        "Close some programs, or choose a smaller batch size or picture size, and train again.",
    )


def _unexpected(error: Exception) -> ImgtagError:
    return ImgtagError(
        "The training failed unexpectedly.",
        f"{type(error).__name__}: {error}",
        "Train again. If it fails again, send the log of this run to the developers.",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
