"""Classify in a real browser: every way in, the camera live, “that is wrong”, and the zip sorted into folders."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.data.splits import assign_splits, not_for_test
from tests.browser.conftest import Server
from tests.browser.test_ways_in import PASTE
from tests.drawing import write_tree, zip_of
from tests.prepared import bytes_of
from tests.trainers import until

pytestmark = pytest.mark.browser


def tiles(page: Page) -> Locator:
    return page.get_by_role("group", name="Answers").locator(".tile")


def heading(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", name=words)).to_be_visible(timeout=60_000)


def test_many_pictures_are_looked_through_corrected_and_taken_along(
    page: Page, server: Server, numbers: Project, tmp_path: Path
) -> None:
    folder = write_tree(
        tmp_path / "trip",
        {
            "day/green.png": bytes_of("green"),
            "day/red.png": bytes_of("red", 1),
            "blue.png": bytes_of("blue", 2, "square"),
            "broken.jpg": b"not a picture",
        },
    )
    page.goto(f"{server.address}/classify?project=numbers")
    page.locator(".pick-folder").set_input_files(folder)
    heading(page, "3 pictures classified, 1 could not be read")
    expect(tiles(page)).to_have_count(3)
    assert tiles(page).evaluate_all("t => t.map(x => x.querySelector('.face').title.split(/[\\n]/)[0])") == [
        "trip/blue.png", "trip/day/green.png", "trip/day/red.png",
    ]  # fmt: skip
    image = tiles(page).first.locator("img")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    expect(page.get_by_text("1 file could not be read")).to_be_visible()
    assert look(numbers).unsorted == []

    page.get_by_role("link", name="Train").first.click()  # the answers survive another page, and a reload
    page.get_by_role("link", name="Classify").first.click()
    heading(page, "3 pictures classified, 1 could not be read")
    page.reload()
    heading(page, "3 pictures classified, 1 could not be read")

    green = tiles(page).filter(has_text="one")
    green.locator(".face").click()
    page.keyboard.press("2")  # the class of that key
    expect(page.get_by_text("1 picture joined the project: two.")).to_be_visible()
    until(lambda: look(numbers).counts["2"] == 13)
    [corrected] = not_for_test(numbers)
    assert assign_splits(numbers, look(numbers).labelled)[corrected] == "train"
    expect(page.get_by_text("1 picture from here waits for the next training.")).to_be_visible()
    expect(tiles(page).filter(has_text="in the project now")).to_have_count(1)

    page.get_by_role("button", name="Zip, sorted into folders").click()
    link = page.get_by_role("link", name="Download the zip")
    expect(link).to_be_visible()
    with zipfile.ZipFile(
        io.BytesIO(page.request.get(f"{server.address}{link.get_attribute('href')}").body())
    ) as archive:
        names = set(archive.namelist())
    assert names == {"2/green.png", "2/red.png", "10/blue.png", "answers.csv"}
    page.get_by_role("textbox", name="Name contains").fill("blue")
    page.keyboard.press("Enter")
    expect(link).to_have_count(0)  # it was not about this one alone
    page.get_by_role("textbox", name="Name contains").fill("")
    page.keyboard.press("Enter")
    expect(link).to_be_visible()

    page.get_by_role("button", name="Undo").first.click()
    until(lambda: look(numbers).counts["2"] == 12)
    expect(page.get_by_text("waits for the next training")).not_to_be_visible()

    history = numbers.path / "history.jsonl"
    before = len(history.read_text().splitlines())
    expect(tiles(page).filter(has_text="in the project now")).to_have_count(0)
    page.locator(".face[title*='red.png']").click()  # what is taken back while it is still on its way: that, too
    page.keyboard.press("1")
    page.keyboard.press("Control+z")
    until(lambda: len(history.read_text().splitlines()) == before + 2)
    assert json.loads(history.read_text().splitlines()[-1])["action"] == "undo"
    expect(tiles(page).filter(has_text="in the project now")).to_have_count(0)
    assert look(numbers).counts == {"1": 12, "2": 12, "10": 12}

    expect(page.get_by_role("button", name="Add to the project")).to_have_count(1)
    page.get_by_role("button", name="Add to the project").click()
    page.get_by_text("To be sorted first").click()
    page.get_by_role("button", name="Add 3 pictures").click()
    until(lambda: len(look(numbers).unsorted) == 3 - 2)  # the two that were taken back stay in the trash
    expect(page.get_by_text("2 pictures not added")).to_be_visible()


def test_zip_clipboard_and_single_pictures_and_a_new_class(page: Page, server: Server, numbers: Project) -> None:
    page.goto(f"{server.address}/classify?project=numbers")
    expect(page.get_by_text("Drop pictures, folders or a zip here")).to_be_visible()
    packed = zip_of({f"{n}.png": bytes_of("red", n) for n in range(5)})
    page.locator(".pick-files").set_input_files({"name": "red.zip", "mimeType": "application/zip", "buffer": packed})
    heading(page, "5 pictures classified")
    expect(tiles(page)).to_have_count(5)

    page.evaluate(PASTE, base64.b64encode(bytes_of("blue", 9, "square")).decode())
    heading(page, "1 picture classified")
    expect(page.get_by_role("heading", name="ten", exact=True)).to_be_visible()
    piles = list((numbers.cache / "piles").iterdir())
    assert len(piles) == 1  # the zip's copies went with it

    field = page.get_by_role("combobox", name="Wrong? It is a")
    field.fill("eleven")
    field.press("Enter")
    page.get_by_role("button", name="Put it there").click()
    expect(page.get_by_text("1 picture joined the project: eleven.")).to_be_visible()
    assert look(numbers).counts["eleven"] == 1
    clear = page.get_by_role("button", name="Clear", exact=True)
    expect(clear).to_have_count(1)  # while the page is drawn anew, there may be the one of before beside it
    clear.click()
    expect(page.get_by_role("heading", name="classified")).not_to_be_visible()
    until(lambda: not any((numbers.cache / "piles").iterdir()))


def test_the_camera_is_answered_while_it_moves_and_stops_when_the_page_is_left(
    page: Page, server: Server, numbers: Project
) -> None:
    page.goto(f"{server.address}/classify?project=numbers")
    page.get_by_text("Camera", exact=True).click()
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if "/classify?run=" in r.url else None)
    page.get_by_role("button", name="Switch the camera on").click()
    expect(page.locator(".rate")).to_have_text(re.compile(r"[0-9.]+ answers a second"))
    expect(page.locator(".live .name")).not_to_be_empty()
    expect(page.locator(".live .bar")).to_have_count(3)
    until(lambda: page.wait_for_timeout(100) is None and len(asked) >= 10)

    page.get_by_role("button", name="Freeze").click()
    expect(page.locator(".rate")).to_have_text("frozen")
    page.wait_for_timeout(1000)
    before = len(asked)
    page.wait_for_timeout(1000)
    assert len(asked) == before
    page.get_by_role("button", name="Use this picture").click()
    heading(page, "1 picture classified")
    expect(page.get_by_text(re.compile("camera-[0-9]+.jpg"))).to_be_visible()

    page.get_by_role("button", name="Go on").click()
    until(lambda: page.wait_for_timeout(100) is None and len(asked) > before + 3)
    page.get_by_role("link", name="Train").first.click()
    expect(page.locator(".live")).to_have_count(0)
    page.wait_for_timeout(500)
    before = len(asked)
    page.wait_for_timeout(1000)
    assert len(asked) == before
