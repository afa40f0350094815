"""Accepting many suggestions: what is drawn by chance and looked at says how many of the others are right."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

from imgtag.data import edits
from imgtag.data.dataset import look
from imgtag.data.projects import Project
from tests.drawing import picture, write_tree


def _page(path):  # type: ignore[no-untyped-def]  # its text alone is run, which knows no imports
    import numpy as np
    import streamlit as st

    from imgtag.data.dataset import look
    from imgtag.data.projects import Project
    from imgtag.training.assistant import Reliability
    from imgtag.ui.accepting import accept_many

    project = Project(path)
    dataset = look(project)
    suggested = {p.id: ("circle", 0.99 if p.name.startswith("sure") else 0.6) for p in dataset.unsorted}
    held_out = Reliability(np.full(30, 0.99, np.float32), np.arange(30) > 0)
    accept_many(project, dataset, held_out, "All", suggested, lambda drawn: st.session_state.update(shown=drawn))


def said(app: AppTest) -> str:
    return " ".join(str(e.value) for kind in ("markdown", "caption") for e in getattr(app, kind))


def test_twenty_drawn_by_chance_tell_how_many_of_the_others_are_right(shapes: Project) -> None:
    sure = {f"sure-{n:02}.png": picture("red", 100 + n) for n in range(30)}
    write_tree(shapes.unsorted, sure | {f"torn-{n}.png": picture("blue", 200 + n) for n in range(5)})
    app = AppTest.from_function(_page, default_timeout=60, args=(Path(shapes.path),))
    app.session_state["accept many toys"] = True  # somebody opened it
    app.run()
    assert not app.exception
    assert "right 96.7 % of the time (29 of 30)" in said(app)
    next(b for b in app.button if b.label == "Check 20 of them first").click().run()
    drawn = dict(app.session_state["shown"])
    names = {look(shapes).by_id[i].name for i in drawn}
    assert len(drawn) == 20
    assert all(name.startswith("sure") for name in names)
    assert "drawn by chance" not in said(app), "it is shut: the pictures are to be looked at"

    ids = sorted(drawn)
    edits.sort_pictures(shapes, dict.fromkeys(ids[:14], "circle"))
    app.session_state["accept many toys"] = True
    app.run()
    assert "drawn by chance" not in " ".join(str(m.value) for m in app.markdown), "six are still to be decided"
    edits.sort_pictures(shapes, dict.fromkeys(ids[14:], "square"))
    app.run()
    # Wilson's interval of 14 of 20: 48.1 to 85.5 %.
    assert "Of 20 suggestions from 95 %, drawn by chance, **14 were right**" in said(app)
    assert "between 48.1 % and 85.5 % of the others were right at that time" in said(app)
    assert any(b.label == "Accept all 10 from 95 %" for b in app.button)
    next(b for b in app.button if b.label == "Accept all 10 from 95 %").click().run()
    assert len(look(shapes).unsorted) == 5
    assert edits.undo(shapes).moved == 10
