"""The form of a user's own settings, made from the table of options. It starts from a preset and keeps what differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from imgtag.core.errors import BadRecipe
from imgtag.data.dataset import Dataset
from imgtag.data.projects import Project
from imgtag.training.backbones import BACKBONES, Backbone, backbone, backbone_title
from imgtag.training.options import BY_NAME, Option
from imgtag.training.recipes import PRESETS, Recipe, changed
from imgtag.training.weights import availability
from imgtag.ui.errors import show_error
from imgtag.ui.preview import augmentation_preview
from imgtag.ui.recipes import changes
from imgtag.ui.text import literal

GROUPS: dict[str, tuple[str, ...]] = {
    "Network": ("backbone", "layers", "stage_factor"),
    "Last step (head)": ("hidden", "dropout", "strength", "refit"),
    "How it learns": (
        "optimizer", "schedule", "learning_rate", "find_rate", "epochs", "patience", "minutes", "batch_size",
        "balance", "label_smoothing",
    ),
    "Pictures": ("augmentation", "mixup", "mirror", "picture_size"),
    "Computer": ("precision", "devices", "seed"),
}  # fmt: skip
OFFLINE_CHOICE = "efficientnet_lite2"
_MOST_BESIDE = 3

_STEPS: dict[str, int | float] = {
    "dropout": 0.05, "strength": 0.01, "learning_rate": 0.001, "stage_factor": 0.05, "minutes": 5.0,
    "label_smoothing": 0.05, "mixup": 0.1, "epochs": 1, "patience": 1, "batch_size": 8, "picture_size": 32, "seed": 1,
}  # fmt: skip
_WORDS = {
    "frozen": "nothing (frozen)", "partly": "the later half (partly)", "all": "everything (all)",
    "adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "adadelta": "Adadelta",
    "none": "leave as they are (none)", "weights": "mistakes on rare ones cost more (weights)",
    "sampling": "show rare ones more often (sampling)",
    "flip": "mirror (flip)", "flip-vertical": "upside down (flip-vertical)", "crop": "cut and zoom (crop)",
    "rotate": "turn a little (rotate)", "colour": "light and colour (colour)", "blur": "blur",
    "erase": "cover a part (erase)",
}  # fmt: skip
_WHERE = {"included": "included", "here": "on this computer", "download": "to be downloaded"}
_HINTS = {"hidden": "none, or for example 512,256", "strength": "auto", "minutes": "auto: no limit"}


def applies(name: str, recipe: Recipe) -> bool:
    """Whether a setting changes anything, given the others."""
    by_steps = recipe.tunes_network or not recipe.fits_exactly
    if name in ("dropout", "schedule", "learning_rate", "find_rate", "epochs", "patience", "batch_size", "precision"):
        return by_steps
    rules: dict[str, bool] = {
        "strength": recipe.fits_exactly,
        "refit": recipe.fits_exactly,
        "stage_factor": recipe.layers != "frozen",
        "minutes": recipe.tunes_network and recipe.preset != "best",  # Best has a slider of its own
    }
    return rules.get(name, True)


class OwnSettings:
    """The form for one project and one starting point; each has values of its own, kept while the window is open."""

    def __init__(self, project: Project, dataset: Dataset, base: Recipe, start: str) -> None:
        self._project, self._dataset, self._base = project, dataset, base
        self._place = f"{project.name} {start}"
        self._version = st.session_state.get(f"own version {self._place}", 0)

    def show(self) -> Recipe | None:
        """The form; returns the recipe, which is the base itself while nothing was changed. None: it cannot be."""
        draft = self._draft()
        with st.expander(
            "Your own settings (custom)", icon=":material/tune:", key=f"own settings {self._project.name}"
        ):
            st.caption(
                "Every setting begins with a value that works. Change what you like; what does not apply is not shown."
            )
            values: dict[str, Any] = {}
            for tab, names in zip(st.tabs(list(GROUPS)), GROUPS.values(), strict=True):
                with tab:
                    values.update(self._group([n for n in names if applies(n, draft)], draft))
            return self._recipe(values)

    def reset_button(self) -> None:
        """A way back to the preset."""
        if st.button("Take back my settings", icon=":material/undo:", key=f"reset {self._place}"):
            st.session_state[f"own version {self._place}"] = self._version + 1
            st.rerun()

    def in_words(self, recipe: Recipe) -> str:
        """What the user changed, in one line."""
        began_with = replace(self._base, **{n: self._first_value(n) for n in ("epochs", "patience")})
        return " · ".join(f"{literal(title)}: **{literal(value)}**" for title, value in changes(recipe, began_with))

    def _recipe(self, values: dict[str, Any]) -> Recipe | None:
        try:
            different = {}
            for name, value in values.items():
                read = BY_NAME[name].read(value) if name == "hidden" else value
                if read != getattr(self._base, name):
                    different[name] = read
            return changed(replace(self._base, preset="custom"), different) if different else self._base
        except BadRecipe as error:
            show_error(error)
            return None

    def _draft(self) -> Recipe:
        """The recipe of the moment, unchecked: what applies depends on these settings."""
        found = {n: st.session_state[k] for n in BY_NAME if (k := self._key(n)) in st.session_state}
        found = {n: tuple(v) if isinstance(v, list) else v for n, v in found.items()}
        found["backbone"] = self._network_name()
        try:
            found["hidden"] = BY_NAME["hidden"].read(str(found.get("hidden", _listed(self._base.hidden))))
        except BadRecipe:
            found["hidden"] = (2,)  # something was meant; what is wrong with it is said below
        return replace(self._base, **found)

    def _key(self, name: str) -> str:
        return f"own {name} {self._place} {self._version}"

    # ------------------------------------------------------------------------- fields

    def _group(self, names: list[str], draft: Recipe) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if "backbone" in names:
            found["backbone"] = self._networks()
        if "augmentation" in names:
            found["augmentation"] = self._field(BY_NAME["augmentation"], draft)
            augmentation_preview(self._dataset, draft)
        names = [n for n in names if n not in found]
        with st.grid(2, min_column_width=250, gap="medium"):
            for name in names:
                found[name] = self._field(BY_NAME[name], draft)
        return found

    def _field(self, option: Option, draft: Recipe) -> Any:
        """A field that fits the kind of the setting."""
        value = self._first_value(option.name)
        shared: dict[str, Any] = {"key": self._key(option.name), "help": option.help, "persist_state": "session"}
        if isinstance(value, bool):
            return st.toggle(option.title, value, **shared)
        if option.choices and isinstance(value, tuple):
            picked = st.pills(
                option.title,
                option.choices,
                selection_mode="multi",
                default=value,
                format_func=_worded,
                wrap=True,
                **shared,
            )
            return tuple(c for c in option.choices if c in picked)
        if option.choices:
            return st.selectbox(
                option.title, option.choices, index=option.choices.index(value), format_func=_worded, **shared
            )
        if option.name == "devices":
            choices = list(dict.fromkeys(("auto", "cpu", str(value))))
            return str(
                st.selectbox(option.title, choices, choices.index(value), accept_new_options=True, **shared)
            ).strip()
        if option.name in _STEPS:
            return self._number(option, value, draft, shared)
        text = _listed(value) if isinstance(value, tuple) else str(value)
        return st.text_input(option.title, text, placeholder=_HINTS.get(option.name), **shared)

    def _number(self, option: Option, value: float | None, draft: Recipe, shared: dict[str, Any]) -> Any:
        step = _STEPS[option.name]
        kind: Callable[[float], Any] = type(step)
        hint = _HINTS.get(option.name, "auto")
        if option.name == "learning_rate":
            hint = "will be found" if draft.find_rate else f"auto ({draft.rate:g})"
        if option.name == "picture_size":
            hint = f"auto ({backbone_of(draft).preprocessing.size})"
        return st.number_input(
            option.title,
            kind(option.least),
            kind(option.most),
            None if value is None else kind(value),
            step,
            format="%d" if isinstance(step, int) else "%g",
            placeholder=hint,
            **shared,
        )

    def _first_value(self, name: str) -> Any:
        """What a field begins with: the base's; rounds made for exact heads, which take milliseconds, are too many."""
        base = self._base
        by_steps = base.tunes_network or not base.fits_exactly
        return getattr(base if by_steps or name not in ("epochs", "patience") else PRESETS["custom"], name)

    # ------------------------------------------------------------------------- the network

    def _network_parts(self) -> tuple[str, str, str]:
        """Keys of the first network, of those beside it, and of a name of timm."""
        return self._key("network"), self._key("beside"), self._key("timm")

    def _network_name(self) -> str:
        first_key, beside_key, timm_key = self._network_parts()
        first, *beside = self._base.backbones
        timm = str(st.session_state.get(timm_key, "")).strip().removeprefix("timm:")
        first = f"timm:{timm}" if timm else st.session_state.get(first_key, first)
        return "+".join((first, *st.session_state.get(beside_key, beside)))

    def _networks(self) -> str:
        first_key, beside_key, timm_key = self._network_parts()
        option = BY_NAME["backbone"]
        first, *beside = self._base.backbones
        known = list(dict.fromkeys((*BACKBONES, first)))
        with st.grid(2, min_column_width=250, gap="medium"):
            st.selectbox(
                option.title,
                known,
                known.index(first),
                format_func=_network_line,
                key=first_key,
                help=option.help,
                persist_state="session",
            )
            st.multiselect(
                "Networks beside it (ensemble)",
                list(dict.fromkeys((*BACKBONES, *beside))),
                beside,
                format_func=backbone_title,
                key=beside_key,
                max_selections=_MOST_BESIDE,
                placeholder="none",
                help="Asked too; the answers of all are averaged. Only the first one is fine-tuned, and counts as "
                "far as the validation pictures justify.",
                persist_state="session",
            )
            st.text_input(
                "Another network of timm instead",
                key=timm_key,
                placeholder="for example vit_small_patch16_224",
                help="The name of any network in timm (PyTorch Image Models), a large collection. It is downloaded "
                "from huggingface.co when the training begins.",
                persist_state="session",
            )
        name = self._network_name()
        with st.container():  # always there: what stands below keeps its place
            self._about_networks(name)
        return name

    def _about_networks(self, name: str) -> None:
        try:
            rows = [backbone(part) for part in name.split("+")]
        except BadRecipe:
            return  # said below the form
        for row in rows:
            st.caption(f"**{literal(row.title)}**: {literal(_facts(row))}. {literal(f'Licence: {row.licence}.')}")
        missing = [row for row in rows if availability(row) == "download"]
        if not missing:
            return
        sizes = " and ".join(f"{row.title} ({_size(row)})" for row in missing)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(
                f"{literal(sizes)} will be downloaded when the training begins. Your pictures stay here.",
                icon=":material/download:",
                width="stretch",
            )
            st.button(
                f"Take {BACKBONES[OFFLINE_CHOICE].title} (included)",
                on_click=self._go_offline,
                key=f"offline {self._place}",
            )

    def _go_offline(self) -> None:
        first_key, beside_key, timm_key = self._network_parts()
        st.session_state[first_key], st.session_state[beside_key], st.session_state[timm_key] = OFFLINE_CHOICE, [], ""


def backbone_of(recipe: Recipe) -> Backbone:
    """The first network of a recipe; the standard one where the name is wrong."""
    try:
        return backbone(recipe.backbones[0])
    except BadRecipe:
        return BACKBONES[PRESETS["quick"].backbone]


def _listed(sizes: tuple[int, ...]) -> str:
    return ",".join(map(str, sizes))


def _worded(choice: str) -> str:
    return _WORDS.get(choice, choice)


def _network_line(name: str) -> str:
    row = backbone(name)
    return f"{row.title} · {row.speed}, {_size(row)}"  # nothing that changes: Streamlit knows options by their words


def _facts(row: Backbone) -> str:
    return f"{row.speed}, {_size(row)}, {_WHERE[availability(row)]}"


def _size(row: Backbone) -> str:
    return f"{row.megabytes:,.0f} MB" if row.megabytes else "size known when it is loaded"
