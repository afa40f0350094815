"""What a model says about uploaded pictures: asked once for each picture, then kept for this window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd
import streamlit as st

from imgtag.core.errors import BadPicture
from imgtag.core.words import percent
from imgtag.data.images import open_picture, thumbnail
from imgtag.serving.predictor import Answer, kept_predictor
from imgtag.serving.tables import answers_table
from imgtag.serving.views import Way
from imgtag.training.runs import Run
from imgtag.ui import charts
from imgtag.ui.text import literal

_PICTURE_PX = 420


class Uploaded(Protocol):
    """What Streamlit hands over for an uploaded file."""

    @property
    def name(self) -> str:
        """Its name on the user's computer."""
        ...

    @property
    def file_id(self) -> str:
        """Streamlit's name for this upload."""
        ...

    def getvalue(self) -> bytes:
        """Its bytes."""
        ...


@dataclass(frozen=True)
class ShownAnswer:
    """An answer with a picture for the screen (JPEG bytes, upright), if the file is a picture."""

    answer: Answer
    picture: bytes | None


def classify_uploads(run: Run, files: Sequence[Uploaded], way: Way = "plain") -> list[ShownAnswer]:
    """Answers for uploaded files in their order; each is asked about once. way: see `serving.views`."""
    limits = str(run.model_facts.get("unknown_threshold"))  # other ones make other answers
    kept: dict[tuple[str, ...], ShownAnswer] = st.session_state.setdefault("answers", {})
    keys: list[tuple[str, ...]] = [(run.id, limits, way, file.name, file.file_id) for file in files]
    new = {key: file for key, file in zip(keys, files, strict=True) if key not in kept}
    if new:
        with st.spinner("Looking at the pictures", show_time=True):
            found = kept_predictor(run).classify([(f.name, f.getvalue()) for f in new.values()], way=way)
            for (key, file), answer in zip(new.items(), found, strict=True):
                kept[key] = ShownAnswer(answer, _for_screen(file.getvalue()))
    for key in set(kept) - set(keys):  # removed from the list: free the memory
        del kept[key]
    return [kept[key] for key in keys]


def answer_card(shown: ShownAnswer, *, key: str) -> None:
    """One picture beside its bars."""
    answer = shown.answer
    with st.container(border=True):
        left, right = st.columns([2, 3], vertical_alignment="center")
        with left:
            if shown.picture:
                st.image(shown.picture)
            st.caption(literal(answer.file))
        with right:
            if answer.error:
                st.warning(literal(answer.error), icon=":material/broken_image:")
                return
            best = answer.tags[0]
            if answer.unknown:
                st.markdown("#### :material/help: Unknown")
                st.caption(
                    "Too unsure, or unlike all that it has learnt from. "
                    f"Its best guess: {literal(best.display)}, {percent(best.probability)}."
                )
            else:
                st.markdown(f"#### {literal(best.display)}")
                st.caption(f"{percent(best.probability)} sure (probability)")
            charts.tag_bars(answer.tags, key=key)


def answers_overview(answers: Sequence[Answer]) -> None:
    """All answers as a table."""
    rows = answers_table(answers)
    table = pd.DataFrame(
        {
            "File": [r["file"] for r in rows],
            "It is": ["unknown" if r["unknown"] else r.get("tag 1", "") for r in rows],
            "Sure": [None if r["error"] else r["probability 1"] * 100 for r in rows],
            "Or": [r.get("tag 1" if r["unknown"] else "tag 2", "") for r in rows],
            "Trouble": [r["error"] for r in rows],
        }
    )
    if not any(table["Trouble"]):
        table = table.drop(columns="Trouble")
    sure = st.column_config.ProgressColumn(
        format="%.1f %%", min_value=0, max_value=100, help="Probability of the likeliest class."
    )
    st.dataframe(table, hide_index=True, height=min(38 + 36 * len(table), 330), column_config={"Sure": sure})


def _for_screen(data: bytes) -> bytes | None:
    longest = _PICTURE_PX
    try:
        picture, _ = open_picture(data, at_least=longest)
    except BadPicture:
        return None
    return thumbnail(picture, longest)
