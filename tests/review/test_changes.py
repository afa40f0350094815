"""What became of the pictures since a training."""

from __future__ import annotations

from imgtag.data import edits
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from imgtag.review.changes import Changes, changes_since
from imgtag.training.recipes import Recipe
from imgtag.training.runs import create_run
from tests.drawing import picture, write_tree


def test_relabelled_removed_and_new_pictures_are_counted(shapes: Project) -> None:
    run = create_run(shapes, Recipe())
    assert not changes_since(run, look(shapes)).any
    ids = [p.id for p in look(shapes).by_class["circle"]]
    edits.move_pictures(shapes, ids[:3], "square")
    edits.trash_pictures(shapes, ids[3:5])
    edits.move_pictures(shapes, ids[5:6], "")
    write_tree(shapes.images / "square", {f"new-{n}.png": picture("blue", 500 + n) for n in range(4)})
    assert changes_since(run, look(shapes)) == Changes(relabelled=3, removed=3, added=4)
    shapes.change_settings(left_out=["circle"])
    assert changes_since(run, look(shapes)).removed == 9, "a class that is left out is not learnt any more"


def test_a_model_that_came_without_its_pictures_lost_none(shapes: Project) -> None:
    run = create_run(shapes, Recipe())
    edits.trash_pictures(shapes, [p.id for p in look(shapes).labelled])
    assert not changes_since(run, look(shapes)).any
    write_tree(shapes.images / "square", {"new.png": picture("blue", 500)})
    assert changes_since(run, look(shapes)) == Changes(relabelled=0, removed=0, added=1)
