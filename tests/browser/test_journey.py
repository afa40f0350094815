"""The whole way of a user in a real browser: from a zip of pictures to a classified picture and its table.

The pictures are drawn by the test. In the middle the server is killed, as by a power cut, and started again.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Server, pill
from tests.drawing import picture, zip_of

pytestmark = pytest.mark.browser

CLASSES = {"red discs": ("red", "circle"), "blue tiles": ("blue", "square"), "green discs": ("green", "circle")}
PER_CLASS = 300
PATIENCE_MS = 120_000


def drawn_zip(folder: Path) -> Path:
    """A zip as people make them: one folder around the class folders, and something that is no picture."""
    files = {
        f"toys/{name}/{name} {n}.png": picture(colour, n, shape=shape)
        for name, (colour, shape) in CLASSES.items()
        for n in range(PER_CLASS)
    }
    files["toys/red discs/notes.png"] = b"buy more paint"
    files["__MACOSX/toys/._x.png"] = b"resource fork"
    path = folder / "toys.zip"
    path.write_bytes(zip_of(files))
    return path


def test_from_a_zip_to_a_classified_picture(page: Page, server: Server, tmp_path: Path) -> None:
    create_project(page, server, "Toys")
    upload_and_look_at_the_report(page, drawn_zip(tmp_path))
    train_and_kill_the_server(page, server)
    click_a_matrix_cell(page)
    classify_and_download(page, tmp_path)


def create_project(page: Page, server: Server, name: str) -> None:
    page.goto(server.address)
    expect(page.get_by_text("Welcome to imgtag")).to_be_visible()
    page.get_by_label("Name of the project").fill(name)
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_text("No pictures yet")).to_be_visible()


def upload_and_look_at_the_report(page: Page, archive: Path) -> None:
    page.locator("input.pick-files").set_input_files(archive)
    expect(page.get_by_text(f"{len(CLASSES) * PER_CLASS} pictures added.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("2 files not taken")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download this list (CSV)").click()
    rows = list(csv.DictReader(download.value.path().read_text("utf-8-sig").splitlines()))
    reasons = {row["file"]: row["reason"] for row in rows}
    assert "text file" in reasons["toys.zip/toys/red discs/notes.png"]
    assert "operating system" in reasons["toys.zip/__MACOSX/toys/._x.png"]
    for name in CLASSES:
        expect(page.locator("[data-testid=stPlotlyChart]").get_by_text(name)).to_be_visible()


def train_and_kill_the_server(page: Page, server: Server) -> None:
    page.get_by_role("button", name="Go on to training").click()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("Looking at picture")).to_be_visible(timeout=PATIENCE_MS)
    chart = page.locator("[data-testid=stEChartsChart]").first
    drawing = chart.locator("canvas").first
    drawing.evaluate("element => { element.marked = true }")
    page.wait_for_timeout(700)
    before = chart.screenshot()
    wait_until_changed(page, chart, before)
    assert drawing.evaluate("element => element.marked"), "the live chart was built anew: it flickers"
    address = page.url
    server.kill()
    server.start()
    page.goto(address)
    expect(page.get_by_text("The training is finished.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("Right (validation)")).to_be_visible()


def wait_until_changed(page: Page, chart: Locator, before: bytes) -> None:
    for _ in range(100):
        page.wait_for_timeout(150)
        if chart.screenshot() != before:
            return
    raise AssertionError("the chart did not move while the training ran")


def click_a_matrix_cell(page: Page) -> None:
    page.get_by_role("button", name="See what it gets wrong").click()
    expect(page.get_by_text("What is taken for what")).to_be_visible()
    cell = page.locator("path[aria-label*='it is: blue tiles; the model said: blue tiles']")
    chosen = page.get_by_role("combobox", name="Pictures of")
    expect(chosen).to_have_value("Everything that was checked: 180")
    cell.click()
    expect(chosen).to_have_value("blue tiles rightly called blue tiles: 60")
    thumbnails = page.get_by_role("group", name="Pictures with predictions").first.locator("img")
    expect(thumbnails).to_have_count(24)  # a page
    expect(thumbnails.first).to_be_visible()
    assert thumbnails.first.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    pill(page, "Overview").click()
    expect(page.get_by_text("180 of 180 right")).to_be_visible()


def classify_and_download(page: Page, tmp_path: Path) -> None:
    unseen = tmp_path / "unseen.png"
    unseen.write_bytes(picture("green", PER_CLASS + 1, shape="circle"))
    broken = tmp_path / "=broken.png"
    broken.write_bytes(b"not a picture")
    page.get_by_role("link", name="Classify").first.click()
    page.locator(".pick-files").set_input_files([unseen, broken])
    expect(page.get_by_role("heading", name="1 picture classified, 1 could not be read")).to_be_visible(
        timeout=PATIENCE_MS
    )
    pill(page, "One by one").click()
    expect(page.get_by_role("heading", name="green discs")).to_be_visible()
    bars = page.locator("[data-testid=stPlotlyChart]")
    expect(bars.get_by_text("100 %", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the table (CSV)").click()
    rows = list(csv.DictReader(download.value.path().read_text("utf-8-sig").splitlines()))
    assert rows[0]["file"] == "unseen.png"
    assert rows[0]["tag 1"] == "green discs"
    assert rows[1]["file"] == "'=broken.png"
    assert "text file" in rows[1]["error"]
