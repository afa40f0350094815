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
from pathlib import Path

from imgtag.core import locks
from imgtag.core.errors import ImgtagError
from imgtag.training import parallel
from imgtag.training.progress import Watch
from imgtag.training.runs import FINAL_STATES, Run
from imgtag.training.turns import Turn

log = logging.getLogger("imgtag.worker")


def main(run_dir: str) -> int:
    """Train one run; the exit status is 0 unless it failed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    tune_allocator()
    lower_priority()
    run = Run(Path(run_dir).absolute())
    if parallel.world() > 1 and str(run.status.get("state")) in FINAL_STATES:
        return 0  # torchrun starts all again when one falls, also at the end
    if parallel.rank():
        return _help(run)
    with locks.locked(run.path / "lock"):
        watch = Watch(run.path)
        watch.phase("preparing", "Getting ready")  # from here on, a death is seen as one
        try:
            _train(run, watch)
        except ImgtagError as error:
            log.error("%s", error)
            watch.finish("failed", error=error.as_dict())
            return 1
        except MemoryError:
            watch.finish("failed", error=_no_memory())
            return 1
        except Exception as error:  # the page must learn of it; the log has the trace
            log.exception("the trainer failed")
            watch.finish("failed", error=_no_memory() if _is_out_of_memory(error) else _unexpected(error))
            return 1
        _copy_for_tensorboard(run)
    return 0


def _train(run: Run, watch: Watch) -> None:
    began = time.monotonic()

    def keep_waiting(others: int) -> bool:
        more = "another training" if others == 1 else f"{others} other trainings"
        watch.phase("waiting", f"Waiting for {more} to finish")
        return not watch.stop_asked()

    turn = Turn(keep_waiting)
    if not turn.take():
        watch.finish("stopped", message="Stopped while it was waiting: nothing was learnt.")
        return
    watch.began += time.monotonic() - began  # waiting is not training
    watch.while_paused = turn.lent
    try:
        from imgtag.training.engine import train

        parallel.join()
        log.info("training %s", run.id)
        train(run, watch)
        parallel.leave()
    finally:
        turn.give_back()


def _help(run: Run) -> int:
    """One of several processes that is not the first: it works along and says nothing."""
    from imgtag.training.engine import train

    parallel.join()
    train(run, Watch(run.path, silent=True))
    parallel.leave()
    return 0


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


def lower_priority() -> None:
    """Let the pages stay quick while training uses every core."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(5)


def _is_out_of_memory(error: Exception) -> bool:
    return "out of memory" in str(error).lower() or "can't allocate memory" in str(error).lower()


def _no_memory() -> dict[str, str]:
    return ImgtagError(
        "The memory of this computer was not enough.",
        "Other programs may be using much of it.",
        "Close some programs, or choose a smaller batch size or picture size, and train again.",
    ).as_dict()


def _unexpected(error: Exception) -> dict[str, str]:
    return ImgtagError(
        "The training failed unexpectedly.",
        f"{type(error).__name__}: {error}",
        "Train again. If it fails again, send the log of this run to the developers.",
    ).as_dict()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
