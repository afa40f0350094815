"""Lock files: held while the holder lives, freed when it dies."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgtag.core import locks
from imgtag.core.errors import Conflict

ROOT = Path(__file__).resolve().parents[2]


def test_a_lock_is_held_until_its_process_dies_even_by_kill_9(tmp_path: Path) -> None:
    lock = tmp_path / "cache" / ".lock"
    assert not locks.is_held(lock)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from imgtag.core.locks import locked\n"
            "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)",
            str(lock),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    assert locks.is_held(lock)
    with pytest.raises(Conflict, match="Another window"), locks.locked(lock, wait_s=0.1):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert not locks.is_held(lock)
    with locks.locked(lock, wait_s=0.1):
        assert locks.is_held(lock)
    assert not locks.is_held(lock)


def test_an_error_inside_the_block_frees_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with pytest.raises(KeyError), locks.locked(lock):
        raise KeyError
    assert not locks.is_held(lock)


def test_many_who_look_do_not_take_each_other_for_holders(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with locks.locked(lock):
        pass
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(lambda _: locks.is_held(lock), range(4000)))
        with locks.locked(lock):
            assert all(pool.map(lambda _: locks.is_held(lock), range(400)))
