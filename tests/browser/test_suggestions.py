"""Sorting with suggestions in a real browser: groups are named, wrong ones corrected by pointing, the rest accepted."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from imgtag.data import class_edits, edits
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.training import ahead
from imgtag.training.jobs import look_ahead
from tests.browser.conftest import Server, pill
from tests.drawing import picture, write_tree
from tests.trainers import until

pytestmark = pytest.mark.browser


def from_the_first(tiles: Locator, number: int) -> tuple[float, float]:
    """How far a tile stands from the first one, in pixels."""
    measure = "(all, n) => [0, n].map(i => all[i].getBoundingClientRect()).map(b => [b.x, b.y])"
    (x0, y0), (x, y) = tiles.evaluate_all(measure, number)  # in one look: the page may scroll
    return x - x0, y - y0


def accept_all(page: Page) -> None:
    """Enter; and again where the page says that a proposal had just changed, as it may on a slow machine."""
    warned = page.get_by_text("Some proposals have just changed")
    for _ in range(10):
        page.wait_for_timeout(1500)
        page.keyboard.press("Enter")
        if not warned.is_visible():
            return
    raise AssertionError("proposals keep changing")


# From within the page, since a test under load comes too late. Components live in shadow roots.
PRESS_AS_SOON_AS_CHOSEN = """() => {
    const roots = () => [...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean);
    const look = () => {
        const tile = roots().map((r) => r.querySelector(".tile.selected")).find(Boolean);
        if (!tile) return requestAnimationFrame(look);
        tile.dispatchEvent(new KeyboardEvent("keydown", {key: "1", bubbles: true}));
        window.pressed = true;
    };
    look();
}"""


def test_look_alikes_are_named_and_suggestions_corrected_and_accepted(
    page: Page, server: Server, ready: Path, shapes: Project
) -> None:
    drawn = {f"red-{n:02}.png": picture("red", 100 + n) for n in range(50)}
    drawn |= {f"blue-{n:02}.png": picture("blue", 100 + n, shape="square") for n in range(50)}
    write_tree(shapes.unsorted, drawn)
    page.goto(f"{server.address}/label?project=toys")
    pill(page, "By suggestion").click()
    tiles = page.get_by_role("group", name="Pictures to sort").locator(".tile")
    expect(tiles.nth(29).locator("b")).to_be_visible(timeout=90_000)
    expect(tiles.filter(has_not=page.locator("b"))).to_have_count(0)
    shown = tiles.count()
    said = dict(tiles.evaluate_all("t => t.map(x => [x.querySelector('img').alt, x.querySelector('b').textContent])"))
    assert {(name.split("-")[0], label) for name, label in said.items()} == {("red", "circle"), ("blue", "square")}

    # This one shall be something else: the mouse points at it, a key says what.
    wrong = tiles.nth(4)
    name = wrong.locator("img").get_attribute("alt")
    wrong.hover()
    page.wait_for_timeout(600)  # keys pressed at once are not taken: nobody has seen the page yet
    below = from_the_first(tiles, 9)
    page.keyboard.press("2" if said[str(name)] == "circle" else "1")
    expect(tiles).to_have_count(shown - 1)
    expect(page.locator(".print")).to_have_text("→ square" if said[str(name)] == "circle" else "→ circle")
    assert from_the_first(tiles, 8) == below, "the others stay where they were"
    page.wait_for_timeout(1500)
    expect(tiles).to_have_count(shown - 1)  # nothing else moves while somebody sorts
    accept_all(page)
    until(lambda: len(look(shapes).unsorted) == 100 - shown, seconds=30)
    edits.trash_pictures(shapes, [p.id for p in look(shapes).unsorted[10:]])
    expect(tiles).to_have_count(10)

    tiles.first.locator(".face").click()
    page.get_by_role("button", name="Find similar").click()
    expect(page.get_by_text("Similar to")).to_be_visible()
    expect(page.get_by_role("group", name="Similar pictures").locator(".tile")).to_have_count(60, timeout=30_000)
    page.get_by_role("button", name="Back to sorting").click()

    expect(page.locator(".tile.selected")).to_have_count(0)
    page.evaluate(PRESS_AS_SOON_AS_CHOSEN)  # meant for the group before: nobody has seen this one yet
    pill(page, "Look-alikes").click()
    expect(page.locator(".tile.selected")).to_have_count(10, timeout=30_000)
    page.wait_for_function("window.pressed === true")
    page.wait_for_timeout(1000)
    assert len(look(shapes).unsorted) == 10
    page.keyboard.press("1")
    until(lambda: not look(shapes).unsorted, seconds=30)
    edits.undo(shapes)
    assert len(look(shapes).unsorted) == 10

    page.reload()
    pill(page, "By suggestion").click()
    page.get_by_role("button", name="Accept many").click()
    expect(page.get_by_text("On your sorted pictures, suggestions as sure as this are right")).to_be_visible()
    page.get_by_role("button", name="Accept the rest: 10").click()
    until(lambda: not look(shapes).unsorted, seconds=30)
    expect(page.get_by_text("All sorted")).to_be_visible()


def test_what_is_not_decided_yet_follows_what_was_corrected(
    page: Page, server: Server, ready: Path, shapes: Project
) -> None:
    class_edits.add_class(shapes, "triangle")
    drawn = {f"green-{n:02}.png": picture("green", 100 + n, shape="triangle") for n in range(24)}
    drawn |= {f"blue-{n:02}.png": picture("blue", 100 + n, shape="square") for n in range(4)}
    write_tree(shapes.unsorted, drawn)
    look_ahead(shapes)  # to its end: where the second network comes in the middle of a page, proposals change once more
    ids = [p.id for p in look(shapes).pictures]
    until(lambda: ahead.seen_by(shapes, ids) is ahead.LOOKERS[1])
    page.goto(f"{server.address}/label?project=toys")
    pill(page, "By suggestion").click()
    tiles = page.get_by_role("group", name="Pictures to sort").locator(".tile")
    expect(tiles.locator("b")).to_have_count(28, timeout=90_000)  # as they came, there are 28 as well
    green = page.locator(".tile", has=page.locator("img[alt^='green']"))
    expect(green.locator("b", has_text="triangle")).to_have_count(0)  # a class without pictures is not suggested
    page.wait_for_timeout(600)
    for left in (27, 26, 25):
        green.first.hover()
        page.keyboard.press("3")
        expect(tiles).to_have_count(left)
    expect(green.locator("b", has_text="triangle")).to_have_count(21)
    expect(page.locator(".tile.changed")).to_have_count(21)
    accept_all(page)
    until(lambda: not look(shapes).unsorted, seconds=30)
    assert look(shapes).counts == {"circle": 12, "square": 16, "triangle": 24}
