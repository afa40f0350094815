"""The health of the pictures in a real browser: found on a click, mended on a click, taken back on a click."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.data.splits import read_splits, record_splits
from tests.browser.conftest import Server
from tests.drawing import encode, scene, sha, write_tree
from tests.trainers import until

pytestmark = pytest.mark.browser


def test_leaks_conflicts_and_copies_are_shown_and_mended(page: Page, server: Server, project: Project) -> None:
    learnt, checked = encode(scene(1)), encode(scene(1), "JPEG", quality=60)
    write_tree(
        project.images,
        {
            "a/learnt.png": learnt,
            "a/checked.jpg": checked,
            "a/copy.png": learnt,
            "a/here.png": encode(scene(2)),
            "b/there.jpg": encode(scene(2), "JPEG"),
            **{f"b/{n}.png": encode(scene(n)) for n in range(10, 14)},
        },
    )
    record_splits(project, {sha(learnt): "train", sha(checked): "val", sha(encode(scene(2))): "val"})
    page.goto(f"{server.address}/collect?project=toys")
    page.get_by_text("Check the pictures").click()
    expect(page.get_by_text("1 pair of pictures show nearly the same under two classes.")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("1 pair of pictures show nearly the same, one to learn from")).to_be_visible()

    page.get_by_role("button", name="Let each pair learn together").click()
    expect(page.get_by_text("1 picture changed sides.")).to_be_visible()
    assert read_splits(project)[sha(checked)] == "train"
    page.get_by_role("button", name="Back to the split as it was").click()
    expect(page.get_by_text("1 picture went back.")).to_be_visible()
    assert read_splits(project)[sha(checked)] == "val"

    page.get_by_role("button", name="Move the copies to the trash").click()
    expect(page.get_by_text("1 copy moved to the trash.")).to_be_visible()
    conflicts = page.get_by_role("group", name="Pictures: conflicts").locator("button.face")
    expect(conflicts).to_have_count(2)
    conflicts.filter(has_text="b").click()
    page.keyboard.press("1")
    until(lambda: look(project).counts == {"a": 4, "b": 4}, seconds=30)
    expect(page.get_by_text("show nearly the same under two classes")).to_have_count(0)
