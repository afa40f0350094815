"""A callback that was begun is done to its end, whatever comes meanwhile."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def page(guarded: bool) -> None:
    import streamlit as st
    from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx

    from imgtag.ui.uninterrupted import uninterrupted

    def work() -> str:
        context = get_script_run_ctx()
        assert context is not None
        assert context.script_requests is not None
        if not st.session_state.get("begun"):
            st.session_state["begun"] = True
            context.script_requests.request_rerun(RerunData())  # the next event, as from another thread
            st.session_state["done"] = True
        return "done"

    st.button("Go", on_click=lambda: uninterrupted(work) if guarded else work())


def test_what_was_begun_is_done_to_its_end() -> None:
    for guarded in (True, False):
        app = AppTest.from_function(page, kwargs={"guarded": guarded}).run()
        app.button[0].click().run()
        assert not app.exception
        assert app.session_state["begun"]
        assert ("done" in app.session_state) is guarded, "the fault that it is for, and its cure"
