"""What random changes do to a picture: sixteen variants of one picture of the project, made when asked."""

from __future__ import annotations

import random
from pathlib import Path

import streamlit as st

from imgtag.core.errors import BadRecipe
from imgtag.data.dataset import Dataset, Picture
from imgtag.training.augmentation import preview
from imgtag.training.backbones import Preprocessing, at_size, backbone
from imgtag.training.recipes import Recipe
from imgtag.ui.errors import shown_errors
from imgtag.ui.text import literal

_VARIANTS = 16


def augmentation_preview(dataset: Dataset, recipe: Recipe) -> None:
    """A switch; when it is on, sixteen random variants of one picture, as the network would get them."""
    place = dataset.project.name
    shown = st.toggle(
        "Show what these changes look like",
        key=f"preview {place}",
        help="Sixteen random variants of one of your pictures, as the network would see them.",
        persist_state="page",
    )
    if not shown:
        return
    pictures = dataset.labelled
    if not pictures:
        return
    chosen = _chosen(pictures, place)
    seed_key = f"preview seed {place}"
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Another picture", icon=":material/image:", key=f"preview other {place}"):
            chosen = random.choice(pictures)  # noqa: S311 (any will do)
            st.session_state[f"preview picture {place}"] = chosen.id
        if st.button("Shuffle again", icon=":material/shuffle:", key=f"preview shuffle {place}"):
            st.session_state[seed_key] = st.session_state.get(seed_key, 0) + 1
    if not recipe.augmentation:
        st.caption("No change is chosen above, so every variant looks the same.")
    with shown_errors(), st.spinner("Making sixteen variants (the first time takes some seconds)"):
        variants = _variants(
            str(chosen.path), chosen.id, recipe.augmentation, _preprocessing(recipe), st.session_state.get(seed_key, 0)
        )
        as_it_is = _variants(str(chosen.path), chosen.id, (), _preprocessing(recipe), 0)[0]
        st.image(as_it_is, caption="As it is", width=130, alt="The picture without changes")
        with st.grid(8, min_column_width=60, gap="xsmall"):
            for number, variant in enumerate(variants, 1):
                st.image(variant, width="stretch", alt=f"Variant {number}")
        st.caption(f"Variants of {literal(chosen.name)}, class {literal(dataset.project.display_name(chosen.label))}.")


def _chosen(pictures: list[Picture], place: str) -> Picture:
    wanted = st.session_state.get(f"preview picture {place}")
    return next((p for p in pictures if p.id == wanted), pictures[0])


@st.cache_data(max_entries=32, show_spinner=False)
def _variants(path: str, sha256: str, names: tuple[str, ...], how: Preprocessing, seed: int) -> list[bytes]:
    return preview(Path(path), names, how, _VARIANTS, seed)


def _preprocessing(recipe: Recipe) -> Preprocessing:
    """The input of the network that would learn from the variants."""
    row = backbone(recipe.backbones[0])
    if recipe.picture_size and row.library != "timm":  # the size of a network of timm is known to timm alone
        try:
            row = at_size(row, recipe.picture_size)
        except BadRecipe:
            return row.preprocessing  # said below the form
    return row.preprocessing
