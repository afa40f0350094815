"""The README tells everything there is: every setting, every verb of the command line, every module."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from imgtag.cli import _parser
from imgtag.core.settings import SETTINGS
from imgtag.training.options import OPTIONS
from imgtag.training.recipes import PRESETS

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted([*(ROOT / "imgtag").rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"])


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text("utf-8")


def missing(words: list[str], text: str) -> list[str]:
    """Words that the text does not have as whole words."""
    return [word for word in words if not re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text)]


def verbs() -> list[str]:
    actions = _parser()._actions
    (chosen,) = (a for a in actions if isinstance(a, argparse._SubParsersAction))
    return list(chosen.choices)


def tree_paths(text: str) -> set[str]:
    """The paths in a file tree drawn by indentation: “imgtag/” above “  core/” above “    errors.py …”.

    Several names may stand on one line, as in “errors.py, names.py”.
    """
    found: set[str] = set()
    for block in re.findall(r"```[a-z]*\n(.*?)```", text, flags=re.DOTALL):
        stack: list[tuple[int, str]] = []
        for line in block.splitlines():
            plain = re.sub(r"[│├└─|`]", " ", line)
            name = plain.strip().split(" ")[0].rstrip(",")
            if not name:
                continue
            depth = len(plain) - len(plain.lstrip())
            stack = [(d, n) for d, n in stack if d < depth]
            parents = "".join(n for _, n in stack)
            if name.endswith("/"):
                stack.append((depth, name))
            found |= {parents + n for n in re.findall(r"[\w/.]+\.py\b", plain)}
    return found


def test_every_setting_is_explained(readme: str) -> None:
    assert missing([setting.name for setting in SETTINGS], readme.replace("IMGTAG_", "").lower()) == []


def test_every_setting_and_preset_of_a_training_is_named(readme: str) -> None:
    details = (ROOT / "docs" / "training.md").read_text("utf-8")
    assert missing([*(option.name for option in OPTIONS), *PRESETS], readme.lower() + details) == []


def test_every_verb_is_shown(readme: str) -> None:
    assert len(verbs()) >= 9
    shown = [verb for verb in verbs() if f"`{verb}`" in readme or not missing([f"imgtag {verb}"], readme)]
    assert shown == verbs()


def test_every_module_stands_in_the_file_tree(readme: str) -> None:
    wanted = {p.relative_to(ROOT).as_posix() for p in MODULES if p.name not in ("__init__.py", "__main__.py")}
    assert sorted(wanted - tree_paths(readme)) == []


def test_the_file_tree_names_nothing_that_is_gone(readme: str) -> None:
    named = {path for path in tree_paths(readme) if path.startswith(("imgtag/", "pages/"))}
    assert sorted(path for path in named if not (ROOT / path).is_file()) == []


def test_the_checks_themselves_find_what_is_missing() -> None:
    assert missing(["serve", "train"], "imgtag trainer and imgtag serve") == ["train"]
    tree = "```\napp.py      launcher\nimgtag/\n  core/\n    errors.py   every error\n  cli.py\npages/\n  home.py\n```"
    assert tree_paths(tree) == {"app.py", "imgtag/core/errors.py", "imgtag/cli.py", "pages/home.py"}
    drawn = "```text\nimgtag/\n├── core/\n│   ├── errors.py\n│   └── names.py\n└── cli.py\n```"
    assert tree_paths(drawn) == {"imgtag/core/errors.py", "imgtag/core/names.py", "imgtag/cli.py"}
    assert tree_paths("no code block: imgtag/core/errors.py") == set()
