"""The closed loop in a real browser: wrong labels are planted, found, corrected with keys, and not asked again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from imgtag.data import edits, history
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.review.metrics import evaluate, read_predictions
from imgtag.training.jobs import start_training, wait_for
from imgtag.training.recipes import make_recipe
from imgtag.training.runs import Run, list_runs
from tests.browser.conftest import Server, pill
from tests.drawing import encode, picture, scene, write_tree
from tests.trainers import until

pytestmark = pytest.mark.browser


def test_wrong_labels_are_found_mended_trained_again_and_the_gain_is_shown(
    page: Page, server: Server, ready: Path, shapes: Project
) -> None:
    *wrong, kept = (p.id for p in look(shapes).by_class["circle"][:3])
    edits.move_pictures(shapes, [*wrong, kept], "square")
    assert wait_for(start_training(shapes, make_recipe("quick"))).has_model
    page.goto(f"{server.address}/review?project=toys")
    pill(page, "Wrong labels?").click()
    tiles = page.get_by_role("group", name="Labels that look wrong").locator(".tile")
    expect(tiles.first).to_be_visible(timeout=90_000)
    assert {*wrong, kept} <= set(tiles.evaluate_all("t => t.map(x => x.dataset.id)"))
    for id_ in wrong:  # Enter takes the proposal of this one alone
        page.locator(f".tile[data-id='{id_}'] .face").hover()
        page.keyboard.press("Enter")
        until(lambda id_=id_: look(shapes).by_id[id_].label == "circle", seconds=30)  # type: ignore[misc]
    page.locator(f".tile[data-id='{kept}'] .face").hover()
    page.keyboard.press("0")  # this one shall stay a square
    until(lambda: history.decided(shapes) == {**dict.fromkeys(wrong, "circle"), kept: "square"}, seconds=30)
    page.reload()
    pill(page, "Wrong labels?").click()
    expect(page.get_by_text("No label looks wrong").or_(tiles.first).first).to_be_visible(timeout=60_000)
    assert not {*wrong, kept} & set(tiles.evaluate_all("t => t.map(x => x.dataset.id)"))

    expect(page.get_by_text("Pictures changed since this training: 2 relabelled.")).to_be_visible()
    page.get_by_role("button", name="Train again").click()
    until(lambda: len([run for run in list_runs(shapes) if run.has_model]) == 2, seconds=90)
    page.goto(f"{server.address}/review?project=toys")
    expect(page.get_by_role("heading", name=re.compile("[0-9]+ of [0-9]+ right"))).to_be_visible()
    expect(page.get_by_text("Pictures changed since this training")).not_to_be_visible()
    pill(page, "Comparison").click()
    expect(page.get_by_role("heading", name=re.compile("pictures? fixed, [0-9]+ newly wrong"))).to_be_visible()


def test_a_mistake_is_mended_where_it_is_shown(page: Page, server: Server, ready: Path, shapes: Project) -> None:
    moved = [p.id for p in look(shapes).by_class["circle"][:6]]
    edits.move_pictures(shapes, moved, "square")
    run = wait_for(start_training(shapes, make_recipe("quick")))
    assert run.has_model
    worst = max((p for p in read_predictions(run) if p.split == "val"), key=lambda p: p.loss)
    page.goto(f"{server.address}/review?project=toys")
    pill(page, "Mistakes").click()
    face = page.locator(f".tile[data-id='{worst.sha256}'] .face")
    face.scroll_into_view_if_needed()
    face.click()
    page.get_by_role("button", name="Why?").click()
    alike = page.get_by_role("group", name="Training pictures like it").locator(".tile")
    expect(alike).to_have_count(3)
    reason = alike.first.get_attribute("data-id")
    assert reason
    label = look(shapes).by_id[reason].label
    alike.first.locator(".face").hover()
    page.keyboard.press("2" if label == "circle" else "1")  # the reason is mended where it is shown
    until(lambda: look(shapes).by_id[reason].label != label, seconds=30)
    page.get_by_role("group", name="The picture in question").locator(".tile .face").hover()
    page.keyboard.press("1" if worst.label == "square" else "2")  # and so is the picture itself
    expect(page.get_by_text("It was mended or removed since this training.")).to_be_visible()
    assert look(shapes).by_id[worst.sha256].label not in ("", worst.label)
    edits.undo(shapes)
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("Pictures changed since this training: 1 relabelled.")).to_be_visible()
    page.get_by_role("button", name="None", exact=True).click()
    face.hover()
    page.keyboard.press("Delete")
    until(lambda: worst.sha256 not in look(shapes).by_id, seconds=30)
    expect(page.get_by_text("1 picture was mended, confirmed or removed since this training.")).to_be_visible()
    expect(page.get_by_text("Pictures changed since this training: 1 relabelled, 1 removed.")).to_be_visible()


def test_a_mistake_is_chosen_in_the_list_or_the_matrix_and_mended_in_its_strip(
    page: Page, server: Server, ready: Path, shapes: Project
) -> None:
    moved = [p.id for p in look(shapes).by_class["circle"][:6]]
    edits.move_pictures(shapes, moved, "square")
    run = wait_for(start_training(shapes, make_recipe("quick")))
    found = evaluate(run, "val")
    label, said, number = found.filled_cells[0]
    assert label != said
    page.goto(f"{server.address}/review?project=toys")
    pill(page, "Mistakes").click()
    pictures = page.get_by_role("group", name="Pictures with predictions").locator(".tile")
    expect(pictures).to_have_count(found.n)
    shown = page.get_by_role("combobox", name="Pictures of")
    page.get_by_test_id("stDataFrame").click(position={"x": 18, "y": 52})  # the first line's box
    expect(shown).to_have_value(f"{label} wrongly called {said}: {number}")
    expect(pictures).to_have_count(number)
    pill(page, "Shares").click()
    expect(shown).to_have_value(f"{label} wrongly called {said}: {number}")
    expect(pictures).to_have_count(number)
    chart = page.get_by_test_id("stVegaLiteChart").locator("svg, canvas").first

    def the_total_of_the_first_row_is_chosen() -> bool:
        if box := chart.bounding_box():  # none, or a click without effect, while it is drawn anew for the shares
            chart.click(position={"x": box["width"] - 20, "y": 20})
        page.wait_for_timeout(1000)
        return (shown.input_value()).startswith("All that are")

    until(the_total_of_the_first_row_is_chosen, seconds=30)

    pill(page, "Overview").click()
    page.get_by_text("Pictures class by class").click()
    wrong = next(p for p in found.predictions if not p.right)
    strip = page.get_by_role("group", name=f"Pictures of {wrong.label}")
    strip.locator(f".tile[data-id='{wrong.sha256}'] .face").click()
    page.get_by_role("dialog").get_by_role("button", name=f"Move to “{wrong.predicted}”").or_(
        page.locator("dialog[open] .chip", has_text=wrong.predicted)
    ).first.click()
    until(lambda: look(shapes).by_id[wrong.sha256].label == wrong.predicted, seconds=30)


def test_a_stranger_is_unknown_and_others_get_a_report(
    page: Page, server: Server, ready: Path, shapes: Project, tmp_path: Path
) -> None:
    for name, colour in (("circle", "red"), ("square", "blue")):
        more = {f"more-{n}.png": picture(colour, 100 + n, shape=name) for n in range(70)}
        write_tree(shapes.images / name, more)
    run = wait_for(start_training(shapes, make_recipe("quick")))
    assert run.model_facts["unknown_threshold"]["cost"] == 0.05
    page.goto(f"{server.address}/review?project=toys")
    pill(page, "Trust").click()
    expect(page.get_by_text("Gap after (ECE)")).to_be_visible()
    page.get_by_role("slider", name="Right answers that may be lost").press("ArrowRight")
    page.get_by_role("button", name="Use these limits").click()
    until(lambda: Run(run.path).model_facts["unknown_threshold"]["cost"] == 0.06, seconds=30)

    pill(page, "Overview").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download a report (HTML)").click()
    report = download.value.path().read_text("utf-8")
    assert "data:image/jpeg;base64," in report
    page.get_by_text("Does it help to look several times?").click()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("No difference beyond chance")).to_be_visible(timeout=180_000)

    stranger = tmp_path / "stranger.png"
    stranger.write_bytes(encode(scene(3)))
    page.goto(f"{server.address}/classify?project=toys")
    page.locator(".pick-files").set_input_files(stranger)
    expect(page.get_by_role("heading", name="Unknown")).to_be_visible(timeout=60_000)
