"""How many actions of a person it takes to sort a set that comes unsorted, with suggestions and without.

    python -m bench.sorting DATA_FOLDER [SET] [--by-hand] [--careful]

Starts the app on a home of its own (only the networks are converted already, as after the first use on a machine),
drops the pictures of the set on it without their folders, and sorts them in Chromium as somebody would who knows the
right answers: first names groups of look-alikes until the page offers to go on, then goes through the suggestions page
by page, corrects wrong ones by pointing and pressing the number of the right class, the first one first, and accepts
the page once all proposals are right; they follow each correction. The last sixty are accepted unseen, with --careful
they are corrected, too. By hand, the first picture has the focus and every picture gets the number of its class; the
focus goes on by itself.

An action is a click, a key, or a class's name typed; moving the mouse is counted apart. Between two actions this
person waits half a second.
"""

from __future__ import annotations

import argparse
import re
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from playwright.sync_api import Locator, Page

from bench.app import PATIENCE_S, app_in_browser
from bench.ours import prepare, temporary_home
from bench.sets import SETS, read_set

_GROUPS = 15  # of look-alikes at most, before suggestions are asked for
_MAJORITY = 0.5  # of a group that is worth naming
_LAST_ONES = 60  # accepted unseen: if half of them are wrong, that is just under 5 % of 608
_PAUSE_MS = 500


@dataclass
class Person:
    """Knows the class of every picture by id, and counts what they do."""

    page: Page
    truth: dict[str, str]
    careful: bool
    actions: Counter[str] = field(default_factory=Counter)
    names: list[str] = field(default_factory=list)  # classes made so far: the nth has the key n

    def click(self, what: Locator, why: str) -> None:
        self.page.wait_for_timeout(_PAUSE_MS)
        what.click()
        self.actions[why] += 1

    def press(self, key: str, why: str) -> None:
        self.page.wait_for_timeout(_PAUSE_MS)
        self.page.keyboard.press(key)
        self.actions[why] += 1

    def name(self, label: str, why: str) -> None:
        """Give what is chosen, or has the focus, its class: by its number, or typed where it is new."""
        if label in self.names:
            self.press(str(self.names.index(label) + 1), why)
            return
        self.page.keyboard.type(label)  # the first letter opens the field
        self.page.keyboard.press("Enter")
        self.actions["name of a new class and Enter"] += 2
        self.names.append(label)
        self.page.locator(".classes .chip", has_text=label).first.wait_for()

    def shown(self) -> list[tuple[str, str]]:
        """Ids and captions of the pictures on the page."""
        tiles = self.page.locator(".tile")
        read = "tiles => tiles.map(t => [t.dataset.id, t.querySelector('.caption b')?.textContent ?? ''])"
        return [(str(id_), str(caption)) for id_, caption in tiles.evaluate_all(read)]

    def first_wrong(self) -> str:
        """The first picture with a wrong proposal, once the proposals have had time to follow; empty if there is none.

        It is looked at twice: this person presses nothing while the page is still at work.
        """
        end = time.monotonic() + PATIENCE_S
        last = None
        while time.monotonic() < end:
            self.page.wait_for_timeout(_PAUSE_MS)
            now = self.shown()
            if now == last and not self.page.locator("[data-testid=stStatusWidget]").count():
                return next((id_ for id_, caption in now if caption != self.truth[id_]), "")
            last = now
        raise AssertionError("the page does not come to rest")

    def wait_for_other_than(self, before: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """What is shown once it differs from what was shown and the page has come to rest."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.page.wait_for_timeout(150)
            now = self.shown()
            at_rest = not self.page.locator("[data-testid=stStatusWidget]").count()
            if at_rest and (now or self.page.get_by_text("All sorted").count()) and now != before:
                return now
        raise AssertionError("the page does not go on")


def name_groups(person: Person) -> None:
    """The first groups of look-alikes: others are clicked off, the majority is named."""
    page = person.page
    go_on = page.get_by_role("button", name="Go on with suggestions")
    person.click(page.locator("[data-testid=stButtonGroup]").get_by_text("Look-alikes"), "order")
    now = person.wait_for_other_than(person.shown())
    for _ in range(_GROUPS):
        if go_on.count():
            return
        labels = Counter(person.truth[id_] for id_, _ in now)
        label, number = labels.most_common(1)[0]
        if number / len(now) < _MAJORITY or person.page.locator(".tile.selected").count() != len(now):
            person.click(page.get_by_role("button", name="Next page"), "next group")
        else:
            for id_ in [i for i, _ in now if person.truth[i] != label]:
                person.click(page.locator(f".tile[data-id='{id_}'] .face"), "clicked off")
            person.name(label, "groups named")
        now = person.wait_for_other_than(now)


def go_through_suggestions(person: Person) -> None:
    """Page by page, surest first: wrong ones get their class, the rest is accepted."""
    page = person.page
    before = person.shown()
    go_on = page.get_by_role("button", name="Go on with suggestions")
    by_suggestion = page.locator("[data-testid=stButtonGroup]").get_by_text("By suggestion")
    person.click(go_on if go_on.count() else by_suggestion, "order")
    now = person.wait_for_other_than(before)
    while now:
        if not person.careful and accept_rest(person):
            return
        while wrong := person.first_wrong():
            tile = page.locator(f".tile[data-id='{wrong}'] .face")
            tile.scroll_into_view_if_needed()
            tile.hover()
            person.actions["(pointing)"] += 1
            person.name(person.truth[wrong], "corrected")
        now = person.shown()
        if not now:  # all of the page were corrected
            now = person.wait_for_other_than(now)
            continue
        page.locator(".tile .face").first.hover()
        page.wait_for_timeout(_PAUSE_MS)
        if person.shown() != now:  # a proposal has just changed, and says so
            continue
        page.keyboard.press("Enter")
        person.actions["pages accepted"] += 1
        page.wait_for_timeout(200)
        if page.get_by_text("Some proposals have just changed").count():
            continue
        now = person.wait_for_other_than(now)


def accept_rest(person: Person) -> bool:
    """Accept what is left, when it is little."""
    page = person.page
    [project] = page.request.get(f"{page.url.split('/label')[0]}/api/projects").json()["projects"]
    left = int(project["unsorted"])  # as the page says, too
    if left > _LAST_ONES:
        return False
    person.click(page.get_by_role("button", name="Accept many"), "the rest accepted")
    before = person.shown()
    person.click(page.get_by_role("button", name="Accept the rest"), "the rest accepted")
    person.wait_for_other_than(before)
    return True


def sort_by_hand(person: Person) -> None:
    """Every picture in its turn gets the number of its class."""
    now = person.shown()
    person.click(person.page.locator(".tile .face").first, "first picture")
    person.press("Escape", "first picture")
    while now:
        for id_, _ in now:
            person.name(person.truth[id_], "sorted")
        now = person.wait_for_other_than(now)


def main(arguments: list[str] | None = None) -> None:
    """Sort a set and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m bench.sorting")
    parser.add_argument("data", type=Path)
    parser.add_argument("set", nargs="?", default="boats-small", choices=SETS)
    parser.add_argument("--by-hand", action="store_true")
    parser.add_argument("--careful", action="store_true")
    options = parser.parse_args(arguments)
    prepare()
    with temporary_home() as home:
        truth = put_flat(home / "flat", options.data, options.set)
        with app_in_browser(home) as page:
            bring_in(page, sorted((home / "flat").iterdir()))
            person = Person(page, truth, options.careful)
            began = time.monotonic()
            if options.by_hand:
                sort_by_hand(person)
            else:
                name_groups(person)
                go_through_suggestions(person)
            seconds = time.monotonic() - began
        found = {sha256(f.read_bytes()).hexdigest(): f.parent.name for f in (home / "set/images").rglob("*.*")}
    right = sum(found.get(id_) == label for id_, label in truth.items())
    for what, number in sorted(person.actions.items(), key=lambda a: -a[1]):
        print(f"{number:6} {what}")
    total = sum(number for what, number in person.actions.items() if not what.startswith("("))
    print(f"{total:6} actions, {seconds:.0f} s of the machine's time; {right} of {len(truth)} agree with their folders")


def put_flat(flat: Path, data: Path, name: str) -> dict[str, str]:
    """Copy all pictures of the set into one folder; returns the class of each by id."""
    truth: dict[str, str] = {}
    flat.mkdir()
    for number, sample in enumerate(read_set(data, name)):
        path = Path(sample.path)
        if sample.sha256 not in truth:
            shutil.copy(path, flat / f"{number:04}{path.suffix}")
        truth.setdefault(sample.sha256, sample.label)
    return truth


def bring_in(page: Page, files: list[Path]) -> None:
    """Make the project “set” and give it the files on the page Collect, then go on to sorting them."""
    page.get_by_label("Name").fill("set")
    page.get_by_role("button", name="Create").click()
    page.locator("input.pick-files").set_input_files(files)
    page.get_by_role("link", name=re.compile("^Sort [0-9]+ pictures")).click()
    page.locator(".tile").first.wait_for()


if __name__ == "__main__":
    main()
