"""Answers about a pile of pictures, to be looked through: which, in which order, one by one, as a table, as tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

import pandas as pd
import streamlit as st

from imgtag.core.words import count, percent
from imgtag.data.dataset import look
from imgtag.data.piles import Item, Pile
from imgtag.serving.answers import UNKNOWN, UNREADABLE, Found, Order, Wanted, choose, totals
from imgtag.training.runs import Run
from imgtag.ui import charts, widgets
from imgtag.ui.correcting import correct_step, last_taken, wrong_area
from imgtag.ui.grid import PAGE_SIZE, Tile, show_grid, sort_grid
from imgtag.ui.sorting import targets_of
from imgtag.ui.text import literal

_SINGLE, _TABLE, _TILES = "One by one", "Table", "Tiles"
_ROWS = 50
_LARGE_PX = 640
_ORDERS: dict[str, Order] = {
    "As they came": "as they came",
    "Least sure first": "least sure first",
    "Surest first": "surest first",
    "By class": "by class",
    "By name": "by name",
}
_ALL = "all"
_WORDS = {
    "hint": "Click, drag or Shift+arrows to choose. Keys: 1 to 9 or a class's name, Space to enlarge.",
    "move_to": "It is a",
    "told_move": "{count} on the way to {target}",
    "told_class": "{count} on the way to the new class {target}",
}


def shown_names(run: Run) -> Mapping[str, str]:
    """What people call the classes: as in the project now, else as the model learnt it."""
    found = run.model_facts.get("display_names")
    known = found if isinstance(found, dict) else {}
    return {**{name: str(known.get(name) or name) for name in run.classes}, **run.project.display_names()}


def answers_area(pile: Pile, run: Run, answers: Sequence[Found]) -> list[Found]:
    """Show the answers as somebody wants them; returns those that were chosen by the filters, of all pages."""
    names = shown_names(run)
    if len(answers) == 1:
        _one(pile, answers[0], names)
        return list(answers)
    chosen = _filters(answers, names)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        view = st.segmented_control(
            "View",
            [_TILES, _TABLE, _SINGLE],
            default=_TILES,
            key="classify view",
            label_visibility="collapsed",
            required=True,
            persist_state="session",
        )
        st.markdown(f"**{count(len(chosen), 'file')}** of {len(answers):,}", width="content")
    if not chosen:
        st.info("No picture is like that. Choose less narrowly.", icon=":material/filter_alt:")
        return chosen
    _page(pile, chosen, names, view)
    _totals(answers, names)
    return chosen


def _page(pile: Pile, chosen: Sequence[Found], names: Mapping[str, str], view: str) -> None:
    """The page of them at which somebody looks, as they want it."""
    per_page = {_SINGLE: 1, _TABLE: _ROWS, _TILES: PAGE_SIZE}[view]
    pages = -(-len(chosen) // per_page)
    token = f"{view} {_state_of_filters()}"
    number = st.pagination(pages, key=f"classify page {token}") if pages > 1 else 1
    page = chosen[(number - 1) * per_page : number * per_page]
    if view == _SINGLE:
        _one(pile, page[0], names)
    elif view == _TABLE:
        _table(pile, page, names, key=f"classify table {token} {number}")
    else:
        _tiles(pile, page, names, token=f"{token} {number}")


# ----------------------------------------------------------------------------- which of them


def _totals(answers: Sequence[Found], names: Mapping[str, str]) -> None:
    counts = totals(answers)
    by_name = {label or kind: number for (kind, label), number in counts.items() if kind != UNREADABLE}
    with st.expander("How many of each class", icon=":material/bar_chart:"):
        charts.class_counts(by_name, {**names, UNKNOWN: "Unknown"}, key="classify totals")


def _filters(answers: Sequence[Found], names: Mapping[str, str]) -> list[Found]:
    counts = totals(answers)
    places = {_ALL: None, **{f"{kind} {label}": (kind, label) for kind, label in counts}}

    def title(option: str) -> str:
        place = places[option]
        if place is None:
            return f"All ({len(answers):,})"
        kind, label = place
        name = names.get(label, label) if kind == "class" else kind.capitalize()
        return f"{name} ({counts[place]:,})"

    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=240):
            option = widgets.choose("Show", list(places), title, key="classify place", first=_ALL) or _ALL
        low, high = st.slider(
            "How sure it is", 0, 100, (0, 100), format="%d %%", key="classify sure", width=220, persist_state="session"
        )
        text = st.text_input(
            "Name contains", key="classify text", width=180, placeholder="IMG_20", persist_state="session"
        )
        order = st.selectbox("Order", list(_ORDERS), key="classify order", width=180, persist_state="session")
    return choose(answers, Wanted(places[option], low / 100, high / 100, text), _ORDERS[order])


def _state_of_filters() -> str:
    keys = ("classify place chosen", "classify sure", "classify text", "classify order")
    return " ".join(str(st.session_state.get(key)) for key in keys)


# ----------------------------------------------------------------------------- the views


def _one(pile: Pile, found: Found, names: Mapping[str, str]) -> None:
    """One picture, large, beside its bars."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if found.answer.error:
            st.warning(literal(found.answer.error), icon=":material/broken_image:")
        else:
            key = f"classify large {pile.id}"
            tile = _tile(pile, found, names)
            large = replace(tile, src=tile.large, caption="", mark="")
            show_grid([large], key=key, label="The picture", size=_LARGE_PX, whole=True)
    with right:
        st.caption(literal(found.item.name))
        if found.answer.error:
            return
        _verdict(found, names)
        most = len(found.answer.tags)
        wrong_area(pile, [found.item], names, key=f"wrong {pile.id} {found.item.number}")
        chart = st.container()
        bars = (
            st.number_input(
                "Bars", 1, most, min(5, most), key=f"classify bars {most}", width=110, persist_state="session"
            )
            if most > 2
            else most
        )
        with chart:
            charts.tag_bars(found.answer.tags[: int(bars)], key=f"classify bars of {pile.id} {found.item.number}")


def _verdict(found: Found, names: Mapping[str, str]) -> None:
    best = found.answer.tags[0]
    if found.joined:
        st.header(literal(names.get(found.joined, found.joined)), anchor=False)
        st.caption(f"Said by you. The model said: {literal(best.display)}, {percent(best.probability)} sure.")
    elif found.answer.unknown:
        st.header(":material/help: Unknown", anchor=False)
        st.caption(
            "The model does not know: it is too unsure, or the picture is unlike all that it has learnt from. "
            f"Its best guess: {literal(best.display)}, {percent(best.probability)}."
        )
    else:
        st.header(literal(best.display), anchor=False)
        st.caption(f"{percent(best.probability)} sure (probability)")


def _table(pile: Pile, page: Sequence[Found], names: Mapping[str, str], *, key: str) -> None:
    rows = pd.DataFrame(
        {
            "Picture": [None if f.answer.error else _address(pile, f.item, "thumb") for f in page],
            "It is": [_is(f, names) for f in page],
            "Sure": [None if f.answer.error or f.label is None else _shown_share(f.sure) for f in page],
            "Or": [_second(f) for f in page],
            "File": [f.item.name for f in page],
            "Trouble": [f.answer.error or "" for f in page],
        }
    )
    if not any(rows["Trouble"]):
        rows = rows.drop(columns="Trouble")
    columns = {
        "Picture": st.column_config.ImageColumn(width=80),
        "It is": st.column_config.TextColumn(width=150),
        "Or": st.column_config.TextColumn(width=150),
        "Sure": st.column_config.ProgressColumn(format="%.1f %%", min_value=0, max_value=100, width=170),
        "Trouble": st.column_config.TextColumn(width="large"),
    }
    event = st.dataframe(
        rows,
        hide_index=True,
        row_height=64,
        height=min(40 + 64 * len(rows), 680),
        column_config=columns,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
    )
    ticked = [page[at] for at in event.selection.rows if at < len(page) and not page[at].answer.error]
    if ticked:
        wrong_area(pile, [f.item for f in ticked], names, key=f"wrong {key}")
    else:
        st.caption("Tick rows on the left to say that they are wrong.")


def _tiles(pile: Pile, page: Sequence[Found], names: Mapping[str, str], *, token: str) -> None:
    readable = [f for f in page if not f.answer.error]
    unreadable = [f for f in page if f.answer.error]
    if readable:
        st.caption(
            "Wrong? Choose pictures and give them their class: a click on it, its number, or its name. They join the "
            "project, to be learnt in the next training. Space shows one large."
        )
        sort_grid(
            [_tile(pile, f, names) for f in readable],
            targets_of(pile.project, look(pile.project), names),
            lambda step: correct_step(pile, step),
            key=f"classify tiles {pile.id}",
            label="Answers",
            place=None,
            page=token,
            undo=last_taken(pile.project),
            only_classes=True,
            words=_WORDS,
        )
    if unreadable:
        st.markdown(f":material/broken_image: **{count(len(unreadable), 'file')} could not be read**")
        table = pd.DataFrame([(f.item.name, f.answer.error) for f in unreadable], columns=["File", "Reason"])
        st.dataframe(table, hide_index=True, height=min(38 + 36 * len(table), 330))


def _tile(pile: Pile, found: Found, names: Mapping[str, str]) -> Tile:
    src = _address(pile, found.item, "thumb")
    facts = _address(pile, found.item, "facts")
    note = "" if found.joined else percent(found.sure)
    if found.joined:
        note = "in the project now"
    elif found.answer.unknown:
        note = f"perhaps {found.answer.tags[0].display}, {percent(found.sure)}"
    return Tile(
        str(found.item.number),
        src,
        f"{src}?size=large",
        facts,
        found.item.name,
        _is(found, names),
        note,
        "right" if found.joined else "",
    )


def _shown_share(share: float) -> float:
    """In percent, and like `percent` never certain where it is not."""
    return min(100 * share, 99.9) if share < 1 else 100.0


def _is(found: Found, names: Mapping[str, str]) -> str:
    if found.answer.error:
        return "–"
    return "Unknown" if found.label is None else names.get(found.label, found.label)


def _second(found: Found) -> str:
    tags = found.answer.tags
    if found.label is None:
        return f"perhaps {tags[0].display}, {percent(found.sure)}" if tags else ""
    if found.joined:
        return tags[0].display if tags else ""
    return tags[1].display if len(tags) > 1 else ""


def _address(pile: Pile, item: Item, kind: str) -> str:
    return f"/api/projects/{quote(pile.project.name, safe='')}/answers/{pile.id}/{kind}/{item.number}"
