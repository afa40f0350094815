"""Whatever is done in any order, by one person or two at once: no picture is lost, undo leads back to the start."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtag.core import storage
from imgtag.core.errors import ImgtagError
from imgtag.data import class_edits, edits, history
from imgtag.data.dataset import look
from imgtag.data.importing import import_files
from imgtag.data.projects import Project, create_at
from imgtag.data.sources import open_sources
from tests.data.holdings import all_bytes, labels
from tests.drawing import picture, sha, write_tree

ROOT = Path(__file__).resolve().parents[2]


def test_two_processes_that_sort_the_same_pictures_lose_none(shapes: Project) -> None:
    before = all_bytes(shapes)
    code = (
        "import sys; from pathlib import Path\n"
        "from imgtag.data import class_edits, edits; from imgtag.data.dataset import look\n"
        "from imgtag.data.projects import Project\n"
        "project, mine = Project(Path(sys.argv[1])), sys.argv[2]\n"
        "for n in range(40):\n"
        "    ids = sorted(look(project).by_id)\n"
        "    edits.move_pictures(project, ids[n % 5 : n % 5 + 12], mine if n % 4 else '')\n"
        "    if n % 9 == 0: edits.undo(project)"
    )
    movers = [
        subprocess.Popen([sys.executable, "-c", code, str(shapes.path), name], cwd=ROOT, stderr=subprocess.PIPE)
        for name in ("circle", "square")
    ]
    outcome = [(m.communicate(timeout=60)[1], m.returncode) for m in movers]
    assert outcome == [(b"", 0), (b"", 0)]
    assert all_bytes(shapes) == before
    dataset = look(shapes)
    assert (len(dataset.pictures), dataset.copies) == (24, ())
    # The history tells of every picture where it is now.
    last = {m[0]: m[2] for row in storage.read_json_lines(shapes.history) for m in row["moves"]}
    assert {id_: history.place(shapes, dataset.picture(id_).path) for id_ in last} == last


NAMES = ("circle", "square", "CIRCLE", "box")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["import", "move", "move", "unsort", "trash", "restore", "merge", "rename", "drop", "keep", "undo"]
        ),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    max_size=12,
)


def do(project: Project, step: tuple[str, int, int], tmp_path: Path) -> set[str]:
    """One random step; returns the sha256 of what it brought in."""
    action, a, b = step
    dataset = look(project)
    chosen = sorted(dataset.by_id)[a % 5 : a % 5 + 3]
    classes = dataset.class_names or ("none",)
    source, target = classes[a % len(classes)], classes[b % len(classes)]
    if action == "import":
        folder = tmp_path / f"source-{time.monotonic_ns()}"
        files = {f"{NAMES[b % 3]}/{n}.png": picture("green", n, size=(16, 16)) for n in (a, a + 1)}
        files |= {f"box/{b}.png": picture("green", a, size=(16, 16))}  # the same bytes in two classes
        with open_sources([write_tree(folder, files)]) as groups:
            import_files(project, groups, "random")
        return {sha(data) for data in files.values()}
    if action == "move":
        edits.move_pictures(project, chosen, target)
    elif action == "unsort":
        edits.move_pictures(project, chosen, "")
    elif action == "trash":
        edits.trash_pictures(project, chosen)
    elif action == "restore":
        edits.restore_pictures(project, edits.trashed_pictures(project)[a % 3 :][:2])
    elif action == "keep":
        edits.keep_labels(project, chosen)
    elif action == "merge":
        class_edits.merge_classes(project, source, target)
    elif action == "rename":
        class_edits.rename_class(project, source, NAMES[b % len(NAMES)])
    elif action == "drop":
        class_edits.trash_class(project, source)
    else:
        edits.undo(project)
    return set()


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_whatever_is_done_in_any_order_no_picture_is_lost_and_undo_leads_back_to_the_start(
    steps: list[tuple[str, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("random")
    project = create_at(tmp_path / "project")
    for name, colour in (("circle", "red"), ("square", "blue")):
        drawn = {f"{n}.png": picture(colour, n, size=(16, 16)) for n in range(4)}
        write_tree(project.images / name, drawn)
    start, expected = labels(project), all_bytes(project)
    for step in steps:
        with contextlib.suppress(ImgtagError):  # the step makes no sense now; it must have changed nothing
            expected |= do(project, step, tmp_path)
        assert all_bytes(project) == expected, step
    while history.last_change(project):
        assert edits.undo(project).missing == ()
        assert all_bytes(project) == expected
    assert labels(project) == start


@settings(max_examples=15, deadline=None)
@given(steps=st.tuples(STEPS, STEPS), imports=st.booleans())
def test_whatever_two_people_do_at_the_same_time_no_picture_is_lost_and_undo_leads_back_to_the_start(
    steps: tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]],
    imports: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """An import is not one step but many: what others do in the middle of it is kept, yet undo, which takes back the
    import as a whole, may then leave one of its pictures where that other put it. So with imports nothing is lost,
    and without them undo leads back.
    """
    tmp_path = tmp_path_factory.mktemp("two")
    steps = tuple([s for s in own if imports or s[0] != "import"] for own in steps)  # type: ignore[assignment]
    project = create_at(tmp_path / "project")
    for name, colour in (("circle", "red"), ("square", "blue")):
        write_tree(project.images / name, {f"{n}.png": picture(colour, n, size=(16, 16)) for n in range(4)})
    start, expected = labels(project), all_bytes(project)
    together = threading.Barrier(2)

    def person(own: list[tuple[str, int, int]]) -> set[str]:
        together.wait()
        brought: set[str] = set()
        for step in own:
            with contextlib.suppress(ImgtagError):
                brought |= do(project, step, tmp_path)
        return brought

    with ThreadPoolExecutor(2) as pool:
        for brought in pool.map(person, steps):
            expected |= brought
    assert all_bytes(project) == expected
    while history.last_change(project):
        edits.undo(project)
        assert all_bytes(project) == expected
    if not imports:
        assert labels(project) == start
