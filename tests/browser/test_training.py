"""Own settings, a pause, and a second training in line, by mouse."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from imgtag.data.projects import Project
from imgtag.training.runs import list_runs
from tests.browser.conftest import Server
from tests.trainers import until

pytestmark = pytest.mark.browser

PATIENCE_MS = 120_000


def test_own_settings_train_pause_go_on_and_wait_in_line(
    page: Page, server: Server, ready: Path, shapes: Project
) -> None:
    page.goto(f"{server.address}/train?project=toys")
    page.get_by_text("Your own settings (custom)").click()
    page.get_by_role("tab", name="Head").click()
    fill(page, "textbox", "Hidden layers of the head", "8")
    learns = page.get_by_role("tab", name="How it learns")
    rounds = page.get_by_role("spinbutton", name="Rounds (epochs)")

    def it_is_open() -> bool:
        learns.click()  # without effect while the page is drawn anew for the layers
        page.wait_for_timeout(500)
        return rounds.is_visible()

    until(it_is_open, seconds=30)
    for name in ("Rounds (epochs)", "Patience (early stopping)"):
        fill(page, "spinbutton", name, "10000")
    expect(page.get_by_text("Rounds (epochs): 10000")).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()

    expect(page.get_by_text("of at most 10000")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("slider").first.press("ArrowRight")
    zoomed = page.get_by_text("1 %", exact=True)
    expect(zoomed).to_be_visible()
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("of at most 10000")).to_be_visible(timeout=PATIENCE_MS)
    expect(zoomed).to_be_visible()

    page.get_by_role("button", name="Choose Quick").or_(page.get_by_role("button", name="Quick is chosen")).click()
    page.get_by_role("button", name="Take back my settings").click()
    expect(page.get_by_role("button", name="Take back my settings")).to_have_count(0)
    page.get_by_role("button", name="Put in line").click()
    expect(page.get_by_text("waiting for its turn").first).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Take out of the line").click()
    expect(page.get_by_role("button", name="Take out of the line")).to_have_count(0, timeout=PATIENCE_MS)
    page.get_by_role("button", name="Stop and keep the best so far").click()
    expect(page.get_by_text("Stopped; the best so far was kept.")).to_be_visible(timeout=PATIENCE_MS)

    second, first = list_runs(shapes)
    assert (first.state, first.recipe.hidden, first.recipe.epochs) == ("stopped", (8,), 10_000)
    assert first.has_model
    assert (second.state, second.recipe.preset, second.has_model) == ("stopped", "quick", False)


def fill(page: Page, role: str, name: str, text: str) -> None:
    field = page.get_by_role(role, name=name)  # type: ignore[arg-type]
    field.fill(text)
    field.press("Enter")
