"""Several processes at one run, on one machine or many, as `torchrun` starts them; mostly there is only one."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import platform
import signal
from datetime import timedelta
from glob import glob
from typing import Any

_RESTARTS = 3
_LED = "IMGTAG_LED"


def launched() -> bool:
    """Whether `torchrun` started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def led() -> bool:
    """Whether it was `launch` that did, in a process that holds the run's lock and waits for this one."""
    return _LED in os.environ


def launch(module: str, argument: str, processes: int) -> None:
    """Run a module in several processes and wait; all are started again when one falls, some times.

    Raises ChildFailedError when they fell too often.
    """
    from torch.distributed.run import main

    each = max(1, (os.cpu_count() or 1) // processes)
    os.environ.update({_LED: "1", "OMP_NUM_THREADS": str(each), "TORCH_CPP_LOG_LEVEL": "ERROR"})
    main(["--standalone", f"--nproc-per-node={processes}", f"--max-restarts={_RESTARTS}", "-m", module, argument])


def end_with_leader() -> None:
    """Let the system end this process when the one that launched it dies (Linux; elsewhere it works to its end)."""
    if led() and platform.system() == "Linux":
        with contextlib.suppress(OSError, AttributeError):
            pr_set_pdeathsig = 1  # linux/prctl.h
            ctypes.CDLL("libc.so.6").prctl(pr_set_pdeathsig, signal.SIGKILL)


def rank() -> int:
    """The number of this process, from 0; the first one speaks for all."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes work at the run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_world() -> int:
    """How many of them are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def gpus_here() -> int:
    """NVIDIA GPUs of this machine that this process may use, counted without loading torch."""
    found = len(glob("/dev/nvidia[0-9]*"))
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return found
    named = list(itertools.takewhile(lambda name: name not in ("", "-1"), allowed.split(",")))  # the rest is ignored
    return min(found, len(named))


def processes_for(devices: str) -> int:
    """How many processes the setting `devices` asks for on this machine."""
    gpus = gpus_here()
    if devices.isdecimal():
        return max(1, min(int(devices), gpus) if gpus else int(devices))
    return max(1, gpus) if devices == "auto" else 1


def join() -> None:
    """Meet the other processes. Without others nothing happens."""
    if world() == 1:
        return
    import torch

    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    patience = timedelta(days=2)  # long enough for the first process to wait in the queue of trainings
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    if world() > local_world():
        torch.distributed.init_process_group(backend, timeout=patience)
        return
    # The store outlives a restart: without a place for each attempt a process may read where a dead one listened.
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, own, all_ = next(rendezvous("env://", timeout=patience))
    attempt = PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    torch.distributed.init_process_group(backend, store=attempt, rank=own, world_size=all_, timeout=patience)


def leave() -> None:
    """Part from the other processes."""
    if world() > 1:
        import torch

        torch.distributed.destroy_process_group()


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if world() > 1:
        import torch

        torch.distributed.barrier()


def of_the_first(value: Any) -> Any:
    """The first process's value, in every process."""
    if world() == 1:
        return value
    import torch

    box = [value]
    torch.distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


def any_of(value: bool) -> bool:
    """Whether it is so in any process."""
    if world() == 1:
        return value
    import torch

    answers: list[Any] = [None] * world()
    torch.distributed.all_gather_object(answers, value)
    return any(answers)
