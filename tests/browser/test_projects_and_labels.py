"""Projects and labels by mouse, in a real browser, on a desktop and on a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from imgtag.data.dataset import look
from imgtag.data.projects import Project, find_project
from tests.browser.conftest import Server
from tests.drawing import picture, write_tree

pytestmark = pytest.mark.browser


def test_a_project_is_renamed_duplicated_trashed_and_restored(page: Page, server: Server, shapes: Project) -> None:
    page.goto(server.address)
    card = page.locator(".st-key-card-toys")
    expect(card.get_by_text("24 pictures · 2 classes")).to_be_visible()
    card.locator("[data-testid=stPopover] button").first.click()
    page.get_by_label("Name", exact=True).fill("Discs & tiles")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", name="Discs & tiles")).to_be_visible()
    card.locator("[data-testid=stPopover] button").first.click()
    page.get_by_role("button", name="Duplicate").click()
    expect(page.get_by_role("heading", name="Discs & tiles copy")).to_be_visible()
    card.locator("[data-testid=stPopover] button").first.click()
    page.get_by_role("button", name="Move to trash").click()
    expect(page.get_by_role("heading", name="Discs & tiles", exact=True)).to_have_count(0)
    page.get_by_text("Trash (1)").click()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("heading", name="Discs & tiles", exact=True)).to_be_visible()
    assert look(find_project("toys")).counts == {"circle": 12, "square": 12}


def test_a_folder_becomes_classes_and_hidden_files_stay_out(
    page: Page, server: Server, tmp_path: Path, project: Project
) -> None:
    folder = write_tree(
        tmp_path / "shapes",
        {
            **{f"train/disc/{n}.png": picture("red", n) for n in range(6)},
            **{f"valid/disc/{n}.png": picture("red", 50 + n) for n in range(3)},
            **{f"train/tile/{n}.png": picture("blue", n, shape="square") for n in range(6)},
            ".DS_Store": b"x",
            "names.json": b'{"disc": "a red disc", "tile": "a blue tile"}',
        },
    )
    page.goto(f"{server.address}/collect?project=toys")
    page.locator("input.pick-folder").set_input_files(folder)
    expect(page.get_by_text("15 pictures added.")).to_be_visible()
    expect(page.get_by_text("Folders for splits were found: 12 to train, 3 to validate.")).to_be_visible()
    page.get_by_role("button", name="Use these names").click()
    expect(page.locator("[data-testid=stPlotlyChart]").get_by_text("a red disc")).to_be_visible()
    assert find_project("toys").display_names() == {"disc": "a red disc", "tile": "a blue tile"}


def test_names_of_strangers_are_shown_literally(page: Page, server: Server, project: Project) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    name = "$x$ ![a](b) & 'q'"
    write_tree(project.images / name, {"_img src=x onerror=alert(1)_.png": picture("red", 1)})
    write_tree(project.images / "001", {"a.png": picture("blue", 2)})
    page.goto(f"{server.address}/collect?project=toys")
    expect(page.locator("[data-testid=stPlotlyChart]").get_by_text("001")).to_be_visible()
    expect(page.locator("[data-testid=stPlotlyChart]").get_by_text(name)).to_be_visible()
    page.goto(f"{server.address}/label?project=toys")
    expect(page.get_by_role("group", name="Pictures to sort").locator("img")).to_have_count(1)
    assert dialogs == []


def test_no_page_scrolls_sideways_on_a_phone(browser: Browser, server: Server, shapes: Project) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark")
    page = context.new_page()
    overflow = {}
    for name in ("", "collect", "label", "train", "review", "classify"):
        page.goto(f"{server.address}/{name}?project=toys")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_timeout(800)
        overflow[name] = page.evaluate(
            "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth }"
        )
    context.close()
    assert max(overflow.values()) <= 0, overflow


def test_the_menu_of_a_phone_shuts_when_a_page_was_chosen(browser: Browser, server: Server, shapes: Project) -> None:
    agent = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130 Mobile Safari/537.36"
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, user_agent=agent
    )
    page = context.new_page()
    page.goto(f"{server.address}/collect?project=toys")
    menu = page.locator("[data-testid=stSidebar]")
    for name in ("Train", "Label"):
        page.locator("[data-testid=stExpandSidebarButton]").click()
        expect(menu).to_have_attribute("data-collapsed", "false")
        page.get_by_role("link", name=name).first.click()
        expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
        expect(menu).to_have_attribute("data-collapsed", "true")
    context.close()
