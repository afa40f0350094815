"""A demo in a meeting: started on the page Share, opened by somebody else in another browser, ended."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from imgtag.serving.demo_process import Demo, stop_demo
from imgtag.serving.network import own_addresses
from imgtag.training.runs import Run
from tests import prepared
from tests.browser.conftest import Server
from tests.shows import until

pytestmark = pytest.mark.browser

PIN = "246810"
PATIENCE_MS = 90_000


@pytest.fixture
def ended(trained: Run) -> Iterator[Run]:
    """The finished run; a demo that a failing test left behind is stopped."""
    yield trained
    stop_demo(trained.project)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    """Another browser, which shares nothing with the first one."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.grant_permissions(["camera"])
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def test_a_demo_from_its_start_to_its_end(
    ended: Run, page: Page, server: Server, visitor: Page, tmp_path: Path
) -> None:
    link = start(page, server)
    foreign: list[str] = []
    visitor.on(
        "request", lambda r: foreign.append(r.url) if not r.url.startswith((link, "data:", "blob:", "ws:")) else None
    )
    come_in(visitor, link)
    click_the_examples(visitor)
    show_own_pictures(visitor, tmp_path)
    find_no_way_out(visitor, link)
    page.reload()
    expect(page.get_by_text("On show: Discs and tiles")).to_be_visible()
    expect(page.get_by_text("Its PIN is not kept in readable form.")).to_be_visible()
    for port in (server.port, Demo(ended.project).port):
        for address in own_addresses():
            with socket.socket() as probe:
                probe.settimeout(2)
                assert probe.connect_ex((address, port)) != 0, "it is open to the network, and nobody asked for that"
    page.get_by_role("button", name="Stop the demo").click()
    expect(page.get_by_role("button", name="Start the demo")).to_be_visible(timeout=PATIENCE_MS)
    until(lambda: not Demo(ended.project).active)
    expect(visitor.get_by_text("The demo has ended", exact=True)).to_be_visible()
    refused = visitor.context.new_page()
    with pytest.raises(Exception, match="ERR_CONNECTION_REFUSED"):
        refused.goto(link)
    assert not foreign, f"the demo made the browser call other servers: {foreign}"


def start(page: Page, server: Server) -> str:
    page.goto(f"{server.address}/share?project=numbers")
    expect(page.get_by_text("What it shows")).to_be_visible()
    page.get_by_label("Title").fill("Discs and tiles")
    page.get_by_label("One sentence for the audience").fill("It tells drawn shapes apart")
    page.keyboard.press("Tab")
    chosen = page.get_by_text("of at most 12")
    before = chosen.inner_text()
    page.get_by_text("Choose other examples").click()
    page.locator(".picker button[aria-pressed=true]").last.click()
    expect(chosen).not_to_have_text(before)
    page.get_by_text("Ask for a PIN").click()
    page.get_by_label("PIN (six characters or more)").fill(PIN)
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Start the demo").click()
    expect(page.get_by_text("On show: Discs and tiles")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text(PIN)).to_be_visible()
    return str(page.get_by_role("link", name="Open the demo").get_attribute("href"))


def come_in(visitor: Page, link: str) -> None:
    visitor.goto(link)
    field = visitor.get_by_label("PIN")
    expect(field).to_be_focused()
    field.fill("000000")
    visitor.get_by_role("button", name="Open the demo").click()
    expect(visitor.get_by_text("That is not the PIN.")).to_be_visible()
    assert "Discs" not in visitor.content()
    expect(visitor.locator("img")).to_have_count(0)
    field.fill(PIN)
    field.press("Enter")
    expect(visitor.get_by_role("heading", name="Discs and tiles")).to_be_visible()


def click_the_examples(visitor: Page) -> None:
    expect(visitor.locator("ol.bars li .share").first).to_contain_text("%")
    truths = set()
    examples = visitor.locator(".examples li button")
    for n in range(3):
        examples.nth(n).click()
        expect(examples.nth(n)).to_have_attribute("aria-pressed", "true")
        said = visitor.locator("h2").inner_text()
        assert visitor.locator(".caption").inner_text().endswith(f": {said}")
        truths.add(said)
        visitor.locator("img.shown").evaluate("image => image.decode()")
    assert truths == {"one", "two", "ten"}
    visitor.keyboard.press("PageUp")  # a clicker
    expect(examples.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(visitor.get_by_text("Trained on")).to_be_visible()


def show_own_pictures(visitor: Page, folder: Path) -> None:
    own = folder / "own.png"
    own.write_bytes(prepared.bytes_of("green"))
    visitor.locator("input.file").set_input_files(own)
    expect(visitor.get_by_text("Your picture. It is not kept.")).to_be_visible()
    expect(visitor.locator("h2")).to_have_text("one")
    wide, share = visitor.locator(".fill").first, visitor.locator(".bars .share").first.inner_text()
    expect(wide).to_have_attribute("style", f"width: {wide.evaluate('bar => bar.style.width')};")
    assert abs(float(wide.evaluate("bar => parseFloat(bar.style.width)")) - float(share.split()[0])) < 0.2
    broken = folder / "broken.png"
    broken.write_bytes(b"buy more paint")
    visitor.locator("input.file").set_input_files(broken)
    expect(visitor.get_by_text("It is a text file, not a picture.")).to_be_visible()
    expect(visitor.locator("h2")).to_have_text("one")
    visitor.evaluate(  # as a paste and a drop of a real file do
        """async bytes => {
            const held = new DataTransfer();
            held.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
            window.dispatchEvent(new ClipboardEvent("paste", { clipboardData: held }));
        }""",
        list(prepared.bytes_of("blue", shape="square")),
    )
    expect(visitor.locator("h2")).to_have_text("ten")
    visitor.evaluate(
        """bytes => {
            const held = new DataTransfer();
            held.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
            window.dispatchEvent(new DragEvent("drop", { dataTransfer: held, cancelable: true }));
        }""",
        list(prepared.bytes_of("red")),
    )
    expect(visitor.locator("h2")).to_have_text("two")
    before = visitor.locator("img.shown").get_attribute("src")
    visitor.get_by_role("button", name="Camera").click()
    visitor.wait_for_function("video => video.videoWidth > 0", arg=visitor.locator("video").element_handle())
    visitor.get_by_role("button", name="Take the picture").click()
    expect(visitor.locator("img.shown")).not_to_have_attribute("src", str(before))


def find_no_way_out(visitor: Page, link: str) -> None:
    other = visitor.context.new_page()
    for path in ("/collect", "/label?project=numbers", "/share", "/api/projects"):
        answer = other.goto(link + path)
        assert answer
        assert answer.status == 404
        assert other.locator("body").inner_text() == "There is nothing here but the demo."
    other.close()
    expect(visitor.locator("a:not([href='#stMain'])")).to_have_count(0)
    expect(visitor.locator("[data-testid=stSidebar], [data-testid=stMainMenu]")).to_have_count(0)
