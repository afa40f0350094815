"""Pictures that are only looked at: nothing of them reaches the project, everything unreadable is named."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from imgtag.core import storage
from imgtag.core.errors import BadPicture, NotFound
from imgtag.data.dataset import look
from imgtag.data.piles import (
    Pile,
    add_folder,
    add_upload,
    clear_stale_piles,
    find_pile,
    item_facts,
    new_pile,
    pile_thumbnail,
    read_in,
    remove_pile,
)
from imgtag.data.projects import Project
from tests.drawing import picture, sha, write_tree, zip_of

BATCH = "0123456789abcdef" * 2


def upload(project: Project, files: dict[str, bytes], batch: str = BATCH) -> str:
    """Files as the browser leaves them in the staging folder."""
    for number, (name, data) in enumerate(files.items()):
        write_tree(project.staging / batch, {f"{number}.bin": data})
        storage.append_json_line(project.staging / batch / "names.jsonl", {"file": f"{number}.bin", "path": name})
    return batch


def filled(project: Project, files: dict[str, bytes]) -> Pile:
    pile = new_pile(project)
    add_upload(pile, upload(project, files))
    read_in(pile)
    return pile


def test_files_folders_and_zips_become_items_in_order_and_the_project_stays_as_it_is(project: Project) -> None:
    red, blue = picture("red", 1), picture("blue", 2)
    pile = filled(project, {"a.png": red, "trip/b.png": blue, "more.zip": zip_of({"in/c.png": red, "in/d.png": b"no"})})
    by_name = {item.name: item for item in pile.items}
    assert set(by_name) == {"a.png", "trip/b.png", "more.zip/in/c.png", "more.zip/in/d.png"}
    assert [item.number for item in pile.items] == [0, 1, 2, 3]
    assert by_name["more.zip/in/c.png"].id == by_name["a.png"].id == sha(red)
    assert by_name["trip/b.png"].path.read_bytes() == blue
    assert look(project).pictures == ()
    assert not any(project.staging.glob("*"))


def test_an_unpacked_zip_does_not_stay(project: Project) -> None:
    packed = zip_of({"c.png": picture("red", 1)})
    pile = filled(project, {"more.zip": packed})
    assert len(list(pile.path.rglob("*.bin"))) == 1
    assert packed not in [p.read_bytes() for p in pile.path.rglob("*.bin")]


def test_what_cannot_be_read_is_named_and_helper_files_are_only_counted(project: Project) -> None:
    files = {"x.pdf": b"%PDF", "broken.zip": b"PK\x03\x04", "__MACOSX/._a.png": b"x", ".DS_Store": b"x", "a.png": b"x"}
    pile = filled(project, files)
    errors = {item.name: item.error for item in pile.items}
    assert set(errors) == {"x.pdf", "broken.zip", "a.png"}
    assert "not taken" in errors["x.pdf"]
    assert "damaged" in errors["broken.zip"]
    assert pile.passed_over == 2


def test_a_folder_of_this_machine_is_read_where_it_lies(project: Project, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "mine", {"a.png": picture("red", 1), "deep/b.png": picture("blue", 1)})
    pile = new_pile(project)
    add_folder(pile, folder)
    read_in(pile)
    assert {item.path for item in pile.items} == {folder / "a.png", folder / "deep" / "b.png"}
    assert not list(pile.path.rglob("*.bin"))
    remove_pile(pile)
    assert (folder / "a.png").exists()


def test_a_path_that_is_not_there_is_refused(project: Project) -> None:
    with pytest.raises(NotFound):
        add_folder(new_pile(project), Path("/nowhere/at/all"))


def test_stopped_reading_begins_again_and_loses_nothing(project: Project) -> None:
    pile = new_pile(project)
    add_upload(pile, upload(project, {f"{n}.png": picture("red", n) for n in range(4)}))
    asked: list[int] = []
    read_in(pile, should_stop=lambda: asked.append(1) or len(asked) > 2)  # type: ignore[func-returns-value]
    assert pile.items == ()
    assert pile.waiting
    read_in(pile)
    assert len(pile.items) == 4
    assert not pile.waiting


def test_numbers_stay_when_more_come(project: Project) -> None:
    pile = filled(project, {"a.png": picture("red", 1)})
    add_upload(pile, upload(project, {"b.png": picture("red", 2)}, "f" * 32))
    read_in(pile)
    assert [(i.number, i.name) for i in pile.items] == [(0, "a.png"), (1, "b.png")]


def test_thumbnails_are_small_and_kept_and_facts_are_told(project: Project) -> None:
    pile = filled(project, {"a.png": picture("red", 1, size=(600, 300))})
    small, large = pile_thumbnail(pile, 0), pile_thumbnail(pile, 0, large=True)
    assert small[:2] == b"\xff\xd8"
    assert len(small) < len(large)
    pile.items[0].path.unlink()
    assert pile_thumbnail(pile, 0) == small
    with pytest.raises(NotFound):
        pile_thumbnail(pile, 1)
    with pytest.raises(BadPicture):
        item_facts(pile, 0)
    assert "600 × 300" in str(item_facts(filled(project, {"b.png": picture("red", 1, size=(600, 300))}), 0)["words"])


@pytest.mark.parametrize("id_", ["", "..", "../../x", "0" * 32, "0" * 31 + "/"])
def test_only_a_pile_of_the_project_is_found(project: Project, id_: str) -> None:
    with pytest.raises(NotFound):
        find_pile(project, id_)


def test_piles_at_which_nobody_looks_go_and_the_others_stay(project: Project) -> None:
    old, seen = filled(project, {"a.png": picture("red", 1)}), new_pile(project)
    long_ago = time.time() - 3 * 24 * 3600
    for pile in (old, seen):
        (pile.path / "seen.json").write_text(str(long_ago))
        os.utime(pile.path, (long_ago, long_ago))
    seen.keep()
    clear_stale_piles(project)
    assert not old.path.exists()
    assert find_pile(project, seen.id) == seen
