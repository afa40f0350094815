"""Limits: defaults, the environment's say, and the home folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgtag.core.settings import SETTINGS, home, limit


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_every_limit_has_a_default_a_help_text_and_follows_the_environment(
    setting: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert limit(setting.name) == setting.default > 0
    assert setting.help
    monkeypatch.setenv(f"IMGTAG_{setting.name.upper()}", "7")
    assert limit(setting.name) == 7


@pytest.mark.parametrize("nonsense", ["", "many", "-1", "1.5", "1e3", "²"])
def test_a_limit_that_is_no_whole_number_is_passed_over(nonsense: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGTAG_MAX_PICTURE_MB", nonsense)
    assert limit("max_picture_mb") == 25


def test_no_name_stands_twice_in_the_table() -> None:
    assert len({s.name for s in SETTINGS}) == len(SETTINGS)


def test_the_home_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMGTAG_HOME", str(tmp_path / "elsewhere"))
    assert home() == tmp_path / "elsewhere"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMGTAG_HOME", "relative")
    assert home() == tmp_path / "relative"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("IMGTAG_HOME", "~/mine")
    assert home() == tmp_path / "mine"
    monkeypatch.delenv("IMGTAG_HOME")
    assert home() == tmp_path / "imgtag"
