"""Sorting pictures in a real browser: with the mouse, with keys alone, on a phone, and in two windows at once."""

from __future__ import annotations

import os
import signal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from imgtag.data import edits
from imgtag.data.dataset import look
from imgtag.data.history import last_change
from imgtag.data.projects import Project
from tests.browser.conftest import Server
from tests.drawing import picture, write_tree
from tests.trainers import until

pytestmark = pytest.mark.browser


def fill_unsorted(project: Project, number: int) -> None:
    write_tree(project.unsorted, {f"picture-{n:03}.png": picture("green", n) for n in range(number)})


def opened(page: Page, server: Server, number: int) -> Locator:
    """The tiles of the label page, once so many of them are there."""
    page.goto(f"{server.address}/label?project=toys")
    tiles = page.get_by_role("group", name="Pictures to sort").locator("button.face")
    expect(tiles).to_have_count(number)
    return tiles


def chip(page: Page, name: str) -> Locator:
    """A class to click on or to drop on, above the tiles."""
    return page.get_by_role("toolbar", name="Move to").get_by_title(f"Move to “{name}”")


def chosen(page: Page, text: str) -> None:
    expect(page.locator(".chosen")).to_have_text(text)


def counts(project: Project) -> dict[str, int]:
    """Pictures of each class and of the unsorted, read from the disk."""
    dataset = look(project)
    return {**dataset.counts, "": len(dataset.unsorted)}


def becomes(project: Project, expected: dict[str, int]) -> None:
    until(lambda: counts(project) == expected, seconds=30)


def test_with_the_mouse(page: Page, server: Server, shapes: Project) -> None:
    fill_unsorted(shapes, 300)
    tiles = opened(page, server, 120)
    tiles.nth(3).click()
    tiles.nth(22).click(modifiers=["Shift"])
    chosen(page, "20 chosen")
    chip(page, "circle").click()
    expect(page.get_by_text("20 moved to circle")).to_be_visible()
    becomes(shapes, {"circle": 32, "square": 12, "": 280})
    expect(tiles).to_have_count(120)  # others have taken their places
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_text("Taken back: moving 20 pictures")).to_be_visible()
    becomes(shapes, {"circle": 12, "square": 12, "": 300})

    tiles.nth(0).click()
    chosen(page, "1 chosen")
    for number, left in (("2", 120), ("3", 60), ("1", 120)):  # what is not to be seen is not chosen
        page.get_by_role("button", name=f"Page {number}", exact=True).click()
        expect(tiles).to_have_count(left)
    expect(page.locator(".chosen")).to_contain_text("Click")

    first, last = tiles.nth(0).bounding_box(), tiles.nth(8).bounding_box()
    assert first and last
    page.mouse.move(first["x"] + first["width"] + 4, first["y"] + 10)
    page.mouse.down()
    page.mouse.move(last["x"] + 30, last["y"] + 30, steps=6)
    page.mouse.up()
    expect(page.locator(".tile.selected")).not_to_have_count(0)
    band = page.locator(".tile.selected").count()
    page.locator(".tile.selected button.face").first.drag_to(chip(page, "square"))
    becomes(shapes, {"circle": 12, "square": 12 + band, "": 300 - band})

    expect(tiles).to_have_count(120)
    page.get_by_role("button", name="All", exact=True).click()
    tiles.nth(5).click()
    page.get_by_role("button", name="Invert").click()
    chosen(page, "1 chosen")
    page.get_by_role("button", name="Trash", exact=True).click()
    becomes(shapes, {"circle": 12, "square": 12 + band, "": 299 - band})
    assert last_change(shapes) == "trashing 1 picture"


def test_with_keys_alone_and_none_is_lost(page: Page, server: Server, shapes: Project) -> None:
    fill_unsorted(shapes, 60)
    tiles = opened(page, server, 60)
    order = [p.id for p in look(shapes).unsorted]
    tiles.nth(0).focus()
    for n in range(20):
        page.keyboard.press(str(1 + n % 2))
        page.wait_for_timeout(30)
    becomes(shapes, {"circle": 22, "square": 22, "": 40})
    dataset = look(shapes)
    assert [dataset.by_id[id_].label for id_ in order[:20]] == ["circle", "square"] * 10

    expect(tiles).to_have_count(40)
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    chosen(page, "3 chosen")
    page.keyboard.type("squ")
    expect(page.get_by_role("option", name="square")).to_be_visible()
    page.keyboard.press("Enter")
    becomes(shapes, {"circle": 22, "square": 25, "": 37})
    page.keyboard.press("/")
    page.keyboard.type("ring 2")
    expect(page.get_by_role("option", name="New class “ring 2”")).to_be_visible()
    page.keyboard.press("Enter")
    becomes(shapes, {"circle": 22, "ring 2": 1, "square": 25, "": 36})
    expect(chip(page, "ring 2")).to_contain_text("3")  # the others keep their keys

    page.keyboard.press("Space")
    large = page.locator("dialog.viewer")
    expect(large).to_contain_text("unsorted · 64 × 64 pixels")
    page.keyboard.press("ArrowRight")
    expect(large).to_contain_text("2 / 36")
    page.keyboard.press("3")
    expect(large).to_contain_text("2 / 35")
    page.keyboard.press("Delete")
    expect(large).to_contain_text("2 / 34")
    page.keyboard.press("Escape")
    becomes(shapes, {"circle": 22, "ring 2": 2, "square": 25, "": 34})
    for _ in range(4):
        page.keyboard.press("Control+z")
    becomes(shapes, {"circle": 22, "ring 2": 0, "square": 22, "": 40})
    page.reload()
    expect(tiles).to_have_count(40)
    tiles.nth(0).focus()
    for _ in range(20):
        page.keyboard.press("Control+z")
    becomes(shapes, {"circle": 12, "ring 2": 0, "square": 12, "": 60})


def test_the_window_does_not_close_on_what_has_not_arrived(page: Page, server: Server, shapes: Project) -> None:
    fill_unsorted(shapes, 20)
    tiles = opened(page, server, 20)
    tiles.nth(0).focus()
    page.wait_for_timeout(600)
    other = page.context.new_page()  # to wait with: a page that has closed cannot
    page.bring_to_front()
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    assert server.process
    os.kill(server.process.pid, signal.SIGSTOP)  # as busy as can be
    for _ in range(5):
        page.keyboard.press("1")
    page.close(run_before_unload=True)
    until(lambda: other.wait_for_timeout(50) or asked, seconds=10)
    os.kill(server.process.pid, signal.SIGCONT)
    assert asked == ["beforeunload"]
    becomes(shapes, {"circle": 17, "square": 12, "": 15})
    expect(tiles).to_have_count(15)
    page.wait_for_timeout(1000)
    page.close(run_before_unload=True)
    until(lambda: other.wait_for_timeout(50) or page.is_closed(), seconds=10)
    assert asked == ["beforeunload"]


def test_what_was_pressed_last_arrives_when_another_page_is_opened(page: Page, server: Server, shapes: Project) -> None:
    fill_unsorted(shapes, 20)
    opened(page, server, 20).nth(0).focus()
    page.wait_for_timeout(600)
    for _ in range(5):
        page.keyboard.press("1")
    page.get_by_role("link", name="Classify").click()
    expect(page.get_by_role("heading", name="Classify")).to_be_visible()
    becomes(shapes, {"circle": 17, "square": 12, "": 15})


def test_with_a_finger(browser: Browser, server: Server, shapes: Project) -> None:
    fill_unsorted(shapes, 12)
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    tiles = opened(page, server, 12)
    tiles.nth(0).tap()
    tiles.nth(1).tap()
    chosen(page, "2 chosen")
    chip(page, "circle").tap()
    becomes(shapes, {"circle": 14, "square": 12, "": 10})
    expect(tiles).to_have_count(10)
    page.get_by_role("button", name="Enlarge").first.tap()
    large = page.locator("dialog.viewer")
    expect(large).to_contain_text("1 / 10")
    large.get_by_title("Move to “square”").tap()
    expect(large).to_contain_text("1 / 9")
    large.get_by_role("button", name="Next picture").tap()
    expect(large).to_contain_text("2 / 9")
    large.get_by_role("button", name="Close").tap()
    expect(large).to_be_hidden()
    becomes(shapes, {"circle": 14, "square": 13, "": 9})
    context.close()


def test_the_second_of_two_people_is_told(page: Page, server: Server, shapes: Project) -> None:
    fill_unsorted(shapes, 10)
    tiles = opened(page, server, 10)
    other = page.context.new_page()
    others = opened(other, server, 10)
    for window in (tiles, others):
        window.nth(0).click()
        window.nth(2).click(modifiers=["Shift"])
    page.bring_to_front()
    chip(page, "circle").click()
    becomes(shapes, {"circle": 15, "square": 12, "": 7})
    other.bring_to_front()
    chip(other, "square").click()
    expect(other.get_by_text("3 were moved before in another window: circle (3)")).to_be_visible()
    becomes(shapes, {"circle": 15, "square": 12, "": 7})
    expect(others).to_have_count(7)

    others.nth(0).click()
    chosen(other, "1 chosen")
    page.bring_to_front()
    tiles.nth(0).click()
    page.keyboard.press("2")
    becomes(shapes, {"circle": 15, "square": 13, "": 6})
    other.bring_to_front()
    chosen(other, "Moved in another window meanwhile: 1 of the chosen pictures")
    other.close()


def test_pictures_come_back_from_the_trash_one_by_one(page: Page, server: Server, shapes: Project) -> None:
    first, second = [p.id for p in look(shapes).pictures if p.label == "circle"][:2]
    edits.trash_pictures(shapes, [first, second])
    page.goto(f"{server.address}/collect?project=toys")
    page.get_by_text("Trash", exact=True).click()
    tiles = page.get_by_role("group", name="Pictures in the trash").locator(".tile")
    expect(tiles).to_have_count(2)
    tiles.first.locator(".face").click()
    page.keyboard.press("Delete")  # does nothing here
    page.get_by_role("button", name="Restore 1 chosen").click()
    becomes(shapes, {"circle": 11, "square": 12, "": 0})
    expect(tiles).to_have_count(1)
    page.get_by_role("button", name="Restore all 1").click()
    becomes(shapes, {"circle": 12, "square": 12, "": 0})
