"""The closed loop in a real browser: wrong labels are planted, found, corrected with keys, and not asked again."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from imgtag.data import edits, history
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from tests.browser.conftest import Server
from tests.trainers import until

pytestmark = pytest.mark.browser


def test_wrong_labels_are_found_corrected_kept_and_not_asked_again(
    page: Page, server: Server, ready: Path, shapes: Project
) -> None:
    wrong, right = (p.id for p in look(shapes).by_class["circle"][:2])
    edits.move_pictures(shapes, [wrong, right], "square")
    page.goto(f"{server.address}/review?project=toys")
    page.locator("[data-testid=stButtonGroup]").get_by_text("Wrong labels?", exact=True).click()
    tiles = page.get_by_role("group", name="Labels that look wrong").locator(".tile")
    expect(tiles.first).to_be_visible(timeout=90_000)
    shown = tiles.evaluate_all("t => t.map(x => x.dataset.id)")
    assert set(shown[:2]) == {wrong, right}

    tile = page.locator(f".tile[data-id='{wrong}'] .face")
    tile.hover()
    page.keyboard.press("Enter")  # takes the proposal of this one alone
    until(lambda: look(shapes).by_id[wrong].label == "circle", seconds=30)
    assert look(shapes).by_id[right].label == "square"
    page.locator(f".tile[data-id='{right}'] .face").hover()
    page.keyboard.press("0")  # this one shall stay a square
    until(lambda: history.decided(shapes) == {wrong: "circle", right: "square"}, seconds=30)
    page.reload()
    page.locator("[data-testid=stButtonGroup]").get_by_text("Wrong labels?", exact=True).click()
    expect(page.get_by_text("No label looks wrong").or_(tiles.first).first).to_be_visible(timeout=60_000)
    assert not {wrong, right} & set(tiles.evaluate_all("t => t.map(x => x.dataset.id)"))
