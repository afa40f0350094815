"""A model leaves as files and comes back into another project, in a real browser."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from imgtag.data.projects import create_project
from imgtag.training.runs import Run, list_runs
from tests.browser.conftest import Server, pill

pytestmark = pytest.mark.browser


def test_a_bundle_is_checked_downloaded_and_taken_into_another_project(
    page: Page, server: Server, trained: Run, tmp_path: Path
) -> None:
    page.goto(f"{server.address}/share?project=numbers")
    pill(page, "Take it away").click()
    expect(page.get_by_role("link", name="Download")).to_have_count(0)  # nothing unchecked
    page.get_by_role("button", name="Make and check").first.click()
    download = page.get_by_role("link", name="Download")
    expect(download).to_have_count(1, timeout=120_000)
    expect(page.get_by_text("validation pictures").last).to_be_visible()
    with page.expect_download() as coming:
        download.click()
    bundle = tmp_path / "model.zip"
    coming.value.save_as(bundle)
    with zipfile.ZipFile(bundle) as archive:
        [facts] = [n for n in archive.namelist() if n.endswith("model.json")]
        assert json.loads(archive.read(facts))["classes"]

    other = create_project("elsewhere")
    page.goto(f"{server.address}/share?project=elsewhere")
    pill(page, "Take one in").click()
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(bundle)
    page.get_by_role("button", name="Take it in").click()
    expect(page.get_by_text("The model is here")).to_be_visible(timeout=60_000)
    [taken] = list_runs(other)
    assert taken.classes == trained.classes
    page.goto(f"{server.address}/classify?project=elsewhere")
    expect(page.get_by_text("Drop").first).to_be_visible()

    part_of_it = tmp_path / "broken.zip"
    part_of_it.write_bytes(bundle.read_bytes()[:2000])
    page.goto(f"{server.address}/share?project=elsewhere")
    pill(page, "Take one in").click()
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(part_of_it)
    page.get_by_role("button", name="Take it in").click()
    expect(page.get_by_role("alert").first).to_be_visible(timeout=60_000)
    assert len(list_runs(other)) == 1
