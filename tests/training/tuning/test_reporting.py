"""Checkpoints: whole or not at all, and read without running anything that is in them."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from imgtag.core.errors import DiskFull
from imgtag.training.tuning.reporting import SafeCheckpoints


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    kept = {"state_dict": {"weight": torch.arange(6.0)}, "epoch": 3, "callbacks": {"Reporter": {"best_loss": 0.5}}}
    SafeCheckpoints().save_checkpoint(kept, tmp_path / "a.ckpt")
    read = SafeCheckpoints().load_checkpoint(tmp_path / "a.ckpt")
    assert torch.equal(read["state_dict"]["weight"], kept["state_dict"]["weight"])  # type: ignore[index]
    assert (read["epoch"], read["callbacks"]) == (3, kept["callbacks"])


def test_without_space_the_old_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SafeCheckpoints().save_checkpoint({"epoch": 1}, tmp_path / "a.ckpt")
    before = (tmp_path / "a.ckpt").read_bytes()
    monkeypatch.setenv("IMGTAG_SPARE_DISK_MB", str(10**9))
    with pytest.raises(DiskFull):
        SafeCheckpoints().save_checkpoint({"epoch": 2}, tmp_path / "a.ckpt")
    assert (tmp_path / "a.ckpt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("was-run"),)  # type: ignore[return-value]


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"epoch": Harmful()}, tmp_path / "bad.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        SafeCheckpoints().load_checkpoint(tmp_path / "bad.ckpt")
    assert not (tmp_path / "was-run").exists()
    torch.load(tmp_path / "bad.ckpt", weights_only=False)  # it would have done harm
    assert (tmp_path / "was-run").exists()
