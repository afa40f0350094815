"""The report of an import: what came in, what did not and why, and names that were found."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from imgtag.core.words import count
from imgtag.data.importing import Report
from imgtag.data.projects import Project
from imgtag.data.uploads import dismiss_report, drop_label_files, report_csv
from imgtag.ui.text import literal
from imgtag.ui.widgets import flash

_TABLE_HEIGHT, _ROW_HEIGHT = 330, 62  # two lines of text fit a row


def show_report(project: Project, report: Report) -> None:
    """The whole report, until it is dismissed."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**What came in**", width="stretch")
            if st.button("Close", key="dismiss report", icon=":material/close:", type="tertiary"):
                dismiss_report(project)
                st.rerun()
        unsorted = f", {report.unsorted:,} of them to be sorted" if report.unsorted else ""
        stopped = " The import was stopped; add the same files again to go on." if report.stopped else ""
        text = f"{count(report.added, 'picture')} added{unsorted}.{stopped}"
        if report.added:
            st.success(text, icon=":material/check_circle:")
        else:
            st.warning(f"Nothing was added.{stopped}", icon=":material/info:")
        for note in report.notes:
            st.markdown(f":material/lightbulb: {literal(note)}")
        _offer_names(project, report)
        if report.skipped:
            _skipped(report)
        if report.remarks:
            with st.expander(f"Remarks ({len(report.remarks)})"):
                for remark in report.remarks[:200]:
                    st.markdown(literal(remark))


def _skipped(report: Report) -> None:
    st.markdown(f":material/block: **{count(len(report.skipped), 'file')} not taken**, each with its reason:")
    table = pd.DataFrame([(s.file, s.reason) for s in report.skipped], columns=["File", "Reason"])
    height = min(_TABLE_HEIGHT, 38 + _ROW_HEIGHT * len(table))
    st.dataframe(
        table,
        hide_index=True,
        height=height,
        row_height=_ROW_HEIGHT,
        column_config={"Reason": st.column_config.TextColumn(width="large")},
    )
    st.download_button(
        "Download this list (CSV)",
        report_csv(report).encode("utf-8-sig"),
        "not-taken.csv",
        "text/csv",
        icon=":material/download:",
    )


def _offer_names(project: Project, report: Report) -> None:
    """A preview of the names in a label file, and the choice to use them."""
    for number, labels in enumerate(report.label_files):
        with st.container(border=True):
            st.markdown(f":material/badge: **{literal(labels.file)}** holds names for your classes. Use them?")
            column = labels.best
            if len(labels.choices) > 1:
                options = list(labels.choices)
                column = st.segmented_control(
                    "Which column?",
                    options,
                    default=labels.best,
                    format_func=literal,
                    key=f"names {number}",
                    required=True,
                )
            names = labels.choices[column]
            preview = pd.DataFrame(names.items(), columns=["Folder", "Name to show"])
            st.dataframe(preview, hide_index=True, height=min(220, 38 + 36 * len(preview)))
            with st.container(horizontal=True):
                if st.button("Use these names", type="primary", key=f"use {number}"):
                    project.set_display_names(names)
                    drop_label_files(project)
                    flash(f"{count(len(names), 'class has', 'classes have')} a name now.")
                    st.rerun()
                if st.button("Keep the folder names", key=f"keep {number}"):
                    drop_label_files(project)
                    st.rerun()
