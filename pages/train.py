"""Train: choose how thoroughly, press one button, and look at what is going on while it works."""

import streamlit as st

from imgtag.core.words import count, duration, percent
from imgtag.data.dataset import look
from imgtag.data.splits import shares_of
from imgtag.training.concerns import concerns
from imgtag.training.runs import list_runs
from imgtag.training.turns import machine_is_busy
from imgtag.ui.forecast import Forecast
from imgtag.ui.live import await_news, begin_training, live_trainings, tell_refusal, was_watched
from imgtag.ui.navigation import link, require_project
from imgtag.ui.own_settings import OwnSettings
from imgtag.ui.recipes import choose_preset
from imgtag.ui.runs import last_ended, run_outcome, runs_table
from imgtag.ui.text import literal
from imgtag.ui.widgets import empty_state, page_title, scroll_to_top, show_flash

project = require_project()
show_flash()
page_title("Train", "The computer looks at your pictures and learns to tell the classes apart.")
dataset = look(project)
runs = list_runs(project)
active = [run for run in reversed(runs) if run.active]
at_work = any(run.state != "paused" for run in active)  # what waits, waits for another one
latest = last_ended(runs)

if not dataset.pictures and not runs:
    empty_state(
        "Nothing to learn from yet",
        "Add pictures of at least two classes; ten of each are a start.",
        ":material/model_training:",
    )
    link("collect", "Collect pictures")
    st.stop()

worries = concerns(dataset)
blocked = any(w.blocking for w in worries)


def what_is_ready() -> None:
    """How many pictures will be learnt from, and which are kept back."""
    filled = sum(1 for name, n in dataset.counts.items() if n and name not in dataset.left_out)
    empty = len(dataset.class_names) - filled
    left_out = f" {count(empty, 'empty class is', 'empty classes are')} left out." if empty else ""
    st.markdown(
        f"**{count(len(dataset.for_training), 'picture')}** in **{count(filled, 'class', 'classes')}** are ready."
        + left_out
    )
    own = project.settings.get("splits") == "imported"
    shares = shares_of(project)
    st.caption(
        "Your validation and test pictures check the result."
        if own
        else f"About {percent(shares['val'])} of the pictures are kept back to check the result (validation), "
        f"{percent(shares['test'])} to test it at the end."
    )


@st.fragment
def set_up() -> None:
    """The presets, own settings, and the button."""
    forecast = Forecast(project, dataset, runs, busy=bool(active) or machine_is_busy())
    card = choose_preset(project, runs, forecast)
    own = OwnSettings(project, dataset, card.recipe, card.start)
    changed = st.container()  # always there, so that what stands below is not drawn twice while it moves
    recipe = own.show()
    with changed:
        if recipe and recipe != card.recipe:
            st.markdown(f"**{card.title}, but** {own.in_words(recipe)}")
            st.caption(f":material/schedule: {forecast.words(recipe)}")
        if recipe and forecast.too_short(recipe):
            st.warning(
                f"In {duration(60 * (recipe.minutes or 0))} there is no room for a single round of fine-tuning on this "
                "computer: the networks would stay as they are. Allow more time.",
                icon=":material/timer:",
            )
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Put in line" if at_work else "Train again" if any(r.has_model for r in runs) else "Train"
        asked = st.button(
            label, type="primary", icon=":material/play_arrow:", disabled=blocked or recipe is None, key="train"
        )
        if recipe != card.recipe:
            own.reset_button()
        if at_work:
            st.caption("One training works at a time; this one begins when the others have ended.", width="content")
        elif active:
            st.caption("The other one is paused: this one begins at once.", width="content")
    if asked and recipe and begin_training(project, recipe):
        st.session_state["_just started"] = True
        st.rerun()
    tell_refusal(project)
    forecast.keep_fresh()


if st.session_state.pop("_just started", False):
    scroll_to_top()
# Who watched a training finds its result in the same place; what stands below stays where it is.
news = latest is not None and not active and was_watched(latest)
with st.container():
    if active:
        live_trainings(project, active)
    else:
        await_news(project)
    if news:
        run_outcome(latest, runs)
with st.container(border=True, key=f"set up {project.name}"):
    what_is_ready()
    set_up()
for worry in () if active else worries:
    show = st.error if worry.blocking else st.info if worry.hint else st.warning
    title, *rest = map(literal, (worry.title, worry.explanation, worry.remedy))
    show("  \n".join((f"**{title}**", *rest)), icon=":material/info:")
if blocked and not active:
    link("label" if dataset.unsorted else "collect", "Sort pictures" if dataset.unsorted else "Collect pictures")
if latest and not active and not news:
    run_outcome(latest, runs)
if runs:
    st.subheader("All trainings", anchor=False)
    picked = runs_table(runs)
    if picked in active or (picked == latest and not active):
        st.caption("You see it above.")
    elif picked:
        run_outcome(picked, runs)
