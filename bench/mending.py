"""The closed loop on real photographs, in a real browser: wrong labels are planted, found, mended, and it trains again.

    python -m bench.mending DATA_FOLDER [SET] [--share 0.05] [--seed 0]

Gives 5 % of the pictures of a set another class by lot, in all splits. A person who knows the right answers presses
*Train* (quick), goes through *Wrong labels?* page by page (Enter takes the proposal, a number gives another class, 0
keeps a label that is right), stops after a page with one wrong label or none, presses *Train again*, and reads
*Comparison*. Both models are also judged by the true labels of all pictures that neither has learnt from.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

from bench.app import PATIENCE_S, app_in_browser
from bench.sets import SETS, read_set

_PAUSE_MS = 500
_TRAINING_S = 300


def main(arguments: list[str] | None = None) -> None:
    """Plant, mend, and print what was gained."""
    parser = argparse.ArgumentParser(prog="python -m bench.mending")
    parser.add_argument("data", type=Path)
    parser.add_argument("set", nargs="?", default="boats-small", choices=SETS)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["IMGTAG_HOME"] = folder
        truth, wrong = plant(options.data, options.set, options.share, options.seed)
        print(f"{options.set}: {len(wrong)} of {len(truth)} labels were made wrong", flush=True)
        with app_in_browser(Path(folder)) as page:
            address = page.url.rstrip("/")
            page.goto(f"{address}/train?project=set")
            page.get_by_role("button", name="Train", exact=True).click()
            expect(page.get_by_text("The training is finished.")).to_be_visible(timeout=1000 * _TRAINING_S)
            actions = mend(page, address, truth)
            page.get_by_role("button", name="Train again").click()
            _wait_for_models(2)
            page.goto(f"{address}/review?project=set")
            _part(page, "Comparison")
            said = page.get_by_role("heading", name=re.compile("pictures? fixed, [0-9]+ newly wrong")).inner_text()
        _report(truth, wrong, actions, said)


def plant(data: Path, name: str, share: float, seed: int) -> tuple[dict[str, str], list[str]]:
    """Make the project “set” with wrong labels in it; returns the true class by id, and the ids of the wrong ones."""
    from imgtag.data import edits
    from imgtag.data.dataset import look
    from imgtag.data.projects import create_project

    project = create_project("set")
    for sample in read_set(data, name):
        target = project.images / sample.label / f"{sample.sha256}{Path(sample.path).suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(sample.path).read_bytes())
    truth = {p.id: p.label for p in look(project).labelled}
    classes = sorted(set(truth.values()))
    rng = np.random.default_rng(seed)
    wrong = rng.choice(sorted(truth), round(share * len(truth)), replace=False).tolist()
    edits.sort_pictures(project, {i: str(rng.choice([c for c in classes if c != truth[i]])) for i in wrong})
    return truth, wrong


def mend(page: Page, address: str, truth: dict[str, str]) -> Counter[str]:
    """Decide about the suspects as somebody who knows the answers; returns what was pressed."""
    actions: Counter[str] = Counter()
    page.goto(f"{address}/review?project=set")
    _part(page, "Wrong labels?")
    page.locator(".tile").first.wait_for()
    while True:
        shown = _shown(page)
        found = 0
        for id_, proposal, label in shown:
            tile = page.locator(f".tile[data-id='{id_}'] .face")
            tile.scroll_into_view_if_needed()
            tile.hover()
            page.wait_for_timeout(_PAUSE_MS)
            if truth[id_] == label:
                page.keyboard.press("0")
                actions["kept"] += 1
                continue
            found += 1
            if proposal == truth[id_]:
                page.keyboard.press("Enter")
                actions["proposal taken"] += 1
            else:
                page.keyboard.type(truth[id_])
                page.keyboard.press("Enter")
                actions["another class typed"] += 2
        if found <= 1 or not _goes_on(page, {id_ for id_, _, _ in shown}):
            return actions


def _goes_on(page: Page, before: set[str]) -> bool:
    """Wait for other suspects than those before; False when there are no more."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        page.wait_for_timeout(200)
        now = {id_ for id_, _, _ in _shown(page)}
        if now and not now & before:
            return True
        if not now and page.get_by_text("No label looks wrong").count():
            return False
    raise AssertionError("the page does not go on")


def _shown(page: Page) -> list[tuple[str, str, str]]:
    """Id, proposed class and class now of the suspects on the page."""
    read = """tiles => tiles.map(t => [t.dataset.id, t.querySelector('.caption b').textContent,
        t.querySelector('.caption span').textContent])"""
    return [
        (str(id_), str(bold).rpartition("?")[0], str(note).removeprefix("is in "))
        for id_, bold, note in page.locator(".tile").evaluate_all(read)
    ]


def _part(page: Page, name: str) -> None:
    page.locator("[data-testid=stButtonGroup]").get_by_text(name, exact=True).click()


def _wait_for_models(number: int) -> None:
    from imgtag.data.projects import find_project
    from imgtag.training.runs import list_runs

    end = time.monotonic() + _TRAINING_S
    while sum(run.state == "finished" for run in list_runs(find_project("set"))) < number:
        if time.monotonic() > end:
            raise AssertionError("the training does not end")
        time.sleep(0.5)


def _report(truth: dict[str, str], wrong: list[str], actions: Counter[str], said: str) -> None:
    from imgtag.data.dataset import look
    from imgtag.data.projects import find_project
    from imgtag.review.metrics import read_predictions
    from imgtag.training.runs import list_runs

    project = find_project("set")
    now = {p.id: p.label for p in look(project).labelled}
    mended = sum(now[i] == truth[i] for i in wrong)
    spoilt = sum(now[i] != truth[i] for i in truth if i not in set(wrong))
    after, before = [run for run in list_runs(project) if run.has_model][:2]
    print(f"{mended} of {len(wrong)} mended, {spoilt} spoilt; {sum(actions.values())} keys: {dict(actions)}")
    print(f"Comparison says: {said}")
    then, new = ({p.sha256: p for p in read_predictions(run) if p.split != "train"} for run in (before, after))
    both = then.keys() & new.keys()
    for title, run in (("before", then), ("after", new)):
        right = sum(run[i].predicted == truth[i] for i in both)
        print(f"{title}: {right} of {len(both)} right by the true labels, on validation and test pictures")


if __name__ == "__main__":
    main()
