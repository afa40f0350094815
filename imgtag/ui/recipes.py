"""What to train with: the presets as cards, their time budget, and recipes in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from imgtag.core.words import duration
from imgtag.data.projects import Project
from imgtag.training.backbones import backbone_title
from imgtag.training.options import OPTIONS
from imgtag.training.recipes import PRESETS, Recipe
from imgtag.training.runs import Run
from imgtag.ui.forecast import Forecast
from imgtag.ui.text import literal

PRESET_NAMES = {"quick": "Quick", "balanced": "Balanced", "best": "Best", "custom": "Own settings"}
_BADGES = {"quick": "to begin with", "balanced": "usual choice"}
_LAST = "last"
_NAMED = 3
_BUDGETS = (2, 5, 10, 15, 30, 60, 120, 240, 480, 720)  # minutes


@dataclass(frozen=True)
class Choice:
    """A card: what to start from."""

    name: str
    title: str
    about: str
    recipe: Recipe
    origin: str = ""  # the training whose settings it repeats

    @property
    def start(self) -> str:
        """What own settings that begin here are kept under."""
        return f"{self.name} {self.origin}".strip()


_CARDS = (
    Choice(
        "quick",
        "Quick",
        "Looks at every picture once, with a network that already knows a million photographs "
        "(frozen pretrained backbone). Good for a first result.",
        PRESETS["quick"],
    ),
    Choice(
        "balanced",
        "Balanced",
        "Looks with two networks, also at mirror images, and averages their answers (ensemble). "
        "Usually better, and takes longer.",
        PRESETS["balanced"],
    ),
    Choice(
        "best",
        "Best",
        "Looks with three networks, then lets one of them learn from your pictures itself (fine-tuning), in the time "
        "that you allow. It counts as far as that is better on unseen pictures (validation).",
        PRESETS["best"],
    ),
)


def choose_preset(project: Project, runs: Sequence[Run], forecast: Forecast) -> Choice:
    """The cards; returns the chosen one. The first training of a project is quick, later ones as the last."""
    cards = {card.name: card for card in (*_CARDS, *_own_card(runs))}
    key = f"preset {project.name}"
    budget_key = f"budget {project.name}"
    chosen = st.session_state.get(key, "")
    if chosen not in cards:
        last = runs[0].recipe.preset if runs else "quick"
        chosen = _LAST if last == "custom" and _LAST in cards else last if last in cards else "quick"
    used = next((run.recipe.minutes for run in runs if run.recipe.preset == "best"), None)
    minutes = st.session_state.get(budget_key, used if used in _BUDGETS else PRESETS["best"].minutes)
    cards["best"] = replace(cards["best"], recipe=replace(cards["best"].recipe, minutes=float(minutes)))

    def choose(name: str) -> None:
        st.session_state[key] = name

    with st.grid(len(cards), min_column_width=215):
        for card in cards.values():
            _card(card, forecast.words(card.recipe), project, choose, chosen=card.name == chosen)
    with st.container():  # always there: what stands below keeps its place
        if chosen == "best":
            _budget(int(minutes), budget_key)
    return cards[chosen]


def _budget(minutes: int, key: str) -> None:
    st.select_slider(
        "Time budget",
        _BUDGETS,
        value=minutes,
        format_func=lambda m: duration(60 * m).replace(" 0 min", "").replace(" 0 s", ""),
        key=key,
        persist_state="session",
        help="Fine-tuning takes up to five rounds (epochs), fewer where the time is short. More time than that changes "
        "nothing, and looking at the pictures is not cut short.",
    )
    st.caption(
        "The validation pictures decide how much the fine-tuned network counts beside the others: from nothing to "
        "all. Small sets of pictures seldom gain from it."
    )


def _card(card: Choice, time: str, project: Project, choose: Any, *, chosen: bool) -> None:
    with st.container(border=True, height="stretch", gap="xsmall", key=f"recipe card {card.name} {project.name}"):
        title = f":primary[{card.title}]" if chosen else card.title
        st.markdown(f"#### {title}" + (f" :gray-badge[{_BADGES[card.name]}]" if card.name in _BADGES else ""))
        st.markdown(card.about)
        st.space("stretch")
        st.caption(f":material/schedule: {time}")
        st.button(
            f":primary[**{card.title} is chosen**]" if chosen else f"Choose {card.title}",
            key=f"choose {card.name} {project.name}",
            icon=":material/radio_button_checked:" if chosen else ":material/radio_button_unchecked:",
            on_click=choose,
            args=(card.name,),
            width="stretch",
            type="secondary" if chosen else "tertiary",
        )


def _own_card(runs: Sequence[Run]) -> list[Choice]:
    """The settings of the last training with own settings, if there was one."""
    for place, run in enumerate(runs):
        if run.recipe.preset == "custom":
            about = f"Your own settings, as in training No. {len(runs) - place}: {_in_short(run.recipe)}."
            return [Choice(_LAST, "Repeat", about, run.recipe, run.id)]
    return []


# ----------------------------------------------------------------------------- in words


def _in_short(recipe: Recipe) -> str:
    """Some settings that are not those of the preset, by their technical terms: “mixup 0.2, epochs 5 and 2 more”."""
    found = []
    for title, value in changes(recipe):
        term = literal(title.partition(" (")[2].rstrip(")") or title)
        found.append(term if value == "yes" else f"{term} {literal(value)}")
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{', '.join(found[:_NAMED])}{more}" or "all as usual"


def changes(recipe: Recipe, base: Recipe | None = None) -> list[tuple[str, str]]:
    """Title and value of the settings that differ from the base (its preset), in the order of the table."""
    base = base or PRESETS.get(recipe.preset, PRESETS["custom"])
    differing = [o for o in OPTIONS if getattr(recipe, o.name) != getattr(base, o.name)]
    return [(o.title, value_words(o.name, getattr(recipe, o.name))) for o in differing]


def value_words(name: str, value: Any) -> str:
    """A value of a setting as people read it."""
    if name == "backbone":
        return " + ".join(backbone_title(part) for part in str(value).split("+"))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if value is None:
        return "auto"
    return f"{value:g}" if isinstance(value, float) else str(value)


def recipe_title(recipe: Recipe) -> str:
    """The plain name of a recipe."""
    return PRESET_NAMES.get(recipe.preset, recipe.preset)
