"""Beside dropping files: the clipboard, the webcam, a folder of this computer; and the data set as a zip."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from imgtag.data.dataset import look
from imgtag.data.projects import Project
from tests.browser.conftest import Server
from tests.drawing import picture, write_tree
from tests.trainers import until

pytestmark = pytest.mark.browser

PASTE = """bytes => {
  const raw = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([raw], "image.png", { type: "image/png" }));
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
}"""


def test_pictures_come_from_clipboard_webcam_and_folder_and_leave_as_a_zip(
    page: Page, server: Server, shapes: Project, tmp_path: Path
) -> None:
    page.goto(f"{server.address}/collect?project=toys")
    expect(page.get_by_text("Drop pictures, folders or a zip here")).to_be_visible()
    page.evaluate(PASTE, base64.b64encode(picture("green", 1)).decode())
    expect(page.get_by_text("1 picture added, 1 of them to be sorted")).to_be_visible()
    [pasted] = look(shapes).unsorted
    assert pasted.name.startswith("pasted-")

    page.get_by_text("Webcam", exact=True).click()
    page.get_by_role("button", name="Switch the camera on").click()
    shoot = page.get_by_role("button", name="Hold to take pictures of “circle”")
    expect(shoot).to_be_visible()
    page.wait_for_timeout(1000)  # the camera's first pictures are dark
    box = shoot.bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.wait_for_timeout(1500)
    page.mouse.up()
    until(lambda: look(shapes).counts["circle"] > 14)
    assert any(p.name.startswith("webcam-") for p in look(shapes).by_class["circle"])
    assert look(shapes).counts["square"] == 12

    source = write_tree(tmp_path / "server", {f"triangle/{n}.png": picture("yellow", n) for n in range(5)})
    page.get_by_text("A folder on this computer", exact=True).click()
    page.get_by_label("Path").fill(str(source))
    page.get_by_role("button", name="Bring in").click()
    until(lambda: look(shapes).counts.get("triangle") == 5)
    assert all(p.path.stat().st_nlink == 2 for p in look(shapes).by_class["triangle"])  # linked, not copied

    page.reload()
    page.get_by_text("History", exact=True).click()
    page.get_by_label("Your name in the history").fill("Ann")
    page.get_by_text("Take the data set out").click()
    page.get_by_role("button", name="Make the zip").click()
    link = page.get_by_role("link", name="Download the zip")
    expect(link).to_be_visible()
    address = link.get_attribute("href")
    assert address
    answer = page.request.get(f"{server.address}{address}")
    with zipfile.ZipFile(io.BytesIO(answer.body())) as archive:
        names = archive.namelist()
    assert len(names) == len(look(shapes).labelled) + 1
    assert {n.split("/")[1] for n in names if "/" in n} == {"circle", "square", "triangle"}


def test_shares_are_changed_and_small_classes_cross_validated(
    page: Page, server: Server, ready: Path, shapes: Project
) -> None:
    page.goto(f"{server.address}/collect?project=toys")
    page.get_by_text("Training, validation and test", exact=True).click()
    expect(page.get_by_role("button", name="Deal all out anew: 70 / 20 / 10")).to_be_visible()
    first = page.get_by_role("slider").first
    first.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Deal all out anew: 50 / 40 / 10").click()
    expect(page.get_by_text("The pictures were dealt out anew")).to_be_visible()
    assert shapes.settings["shares"] == {"train": 0.5, "val": 0.4, "test": 0.1}
    page.get_by_role("button", name="Cross-validate").click()
    expect(page.get_by_text("24 of 24 pictures were recognised: 100 %")).to_be_visible(timeout=90_000)
