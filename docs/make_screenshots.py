"""Make the README's screenshots anew from the digits sample: python docs/make_screenshots.py

Starts the app on a free port with an empty home folder and walks through it in Chromium.
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from imgtag.data.images import encode_png  # noqa: E402
from tests.browser.conftest import FLAGS, Server  # noqa: E402

TARGET = ROOT / "docs" / "screenshots"


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = Server(Path(home), port)
        server.start()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(300_000)  # a machine may have other work, too
            walk(page, server.address, Path(home))
        finally:
            browser.close()
            server.kill()


def walk(page: Page, address: str, home: Path) -> None:
    page.goto(address)
    page.get_by_role("button", name="Try it with handwritten digits").click()
    page.get_by_text("Pictures in classes").wait_for()
    take(page, "collect")
    page.get_by_role("link", name="Label").first.click()
    tiles = page.get_by_role("group", name="Pictures to sort").locator("button.face")
    tiles.nth(5).click()
    tiles.nth(16).click(modifiers=["Shift"])
    take(page, "label")
    page.get_by_role("link", name="Train").first.click()
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text("The training is finished.").wait_for()
    take(page, "train")
    page.get_by_role("button", name="See what it gets wrong").click()
    page.locator("path[aria-label*='it is: 8; the model said: 8']").click()
    take(page, "review", scroll=430)
    page.get_by_role("link", name="Classify").first.click()
    page.locator(".pick-files").set_input_files(unseen_digits(home))
    page.get_by_role("heading", name="pictures classified").wait_for()
    take(page, "classify", scroll=330)
    page.get_by_role("link", name="Share").first.click()
    page.get_by_role("button", name="Start the demo").click()
    page.get_by_text("On show:").wait_for()
    demo = page.context.browser.new_page(viewport={"width": 1280, "height": 800})
    demo.goto(str(page.get_by_role("link", name="Open the demo").get_attribute("href")))
    demo.wait_for_timeout(6000)
    demo.screenshot(path=TARGET / "share.png")
    demo.close()
    page.get_by_role("button", name="Stop the demo").click()
    page.get_by_role("button", name="Start the demo").wait_for()
    page.goto(address)
    page.get_by_text("Last accuracy").wait_for()
    take(page, "home")


def unseen_digits(folder: Path) -> list[Path]:
    """Digits from the end of scikit-learn's set, which the sample (its beginning) does not hold."""
    found = load_digits()
    paths = []
    for number in (-1, -5, -9):
        path = folder / f"unseen {found.target[number]}.png"
        path.write_bytes(encode_png((found.images[number] * 15.9375).round().astype("uint8"), 96))
        paths.append(path)
    return paths


def take(page: Page, name: str, scroll: int = 0) -> None:
    page.wait_for_timeout(2500)
    page.locator("[data-testid=stMain]").evaluate(f"element => element.scrollTo(0, {scroll})")
    page.wait_for_timeout(700)
    page.screenshot(path=TARGET / f"{name}.png")


if __name__ == "__main__":
    main()
