"""Answers as a table: complete, in order, and inert in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from imgtag.serving.predictor import Answer, Tag
from imgtag.serving.tables import answers_csv, answers_table

ANSWERS = [
    Answer("a.jpg", (Tag("2", "two", 0.91234), Tag("10", "ten", 0.08766))),
    Answer("b.jpg", error="The file is empty."),
]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_has_the_tags_in_order_or_the_error() -> None:
    good, bad = answers_table(ANSWERS)
    assert good == {
        "file": "a.jpg", "unknown": "", "error": "",
        "tag 1": "two", "probability 1": 0.9123, "tag 2": "ten", "probability 2": 0.0877,
    }  # fmt: skip
    assert bad == {"file": "b.jpg", "unknown": "", "error": "The file is empty."}


def test_the_csv_has_a_column_for_every_tag_and_the_errors() -> None:
    good, bad = rows(answers_csv(ANSWERS))
    assert list(good) == ["file", "tag 1", "probability 1", "tag 2", "probability 2", "unknown", "error"]
    assert (good["tag 1"], good["probability 1"]) == ("two", "0.9123")
    assert (bad["error"], bad["tag 1"]) == ("The file is empty.", "")


def test_no_answers_give_a_header() -> None:
    assert answers_csv([]).strip() == "file,unknown,error"


@pytest.mark.parametrize("text", ['=HYPERLINK("http://evil")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_in_any_cell_is_inert(text: str) -> None:
    (row,) = rows(answers_csv([Answer(text, (Tag("x", text, 0.5),), error=text)]))
    for column in ("file", "tag 1", "error"):
        assert row[column][0] == "'", column
        assert row[column][1:].replace("\r\n", "\r").replace("\n", "\r") == text.replace("\n", "\r")


def test_harmless_text_and_numbers_are_left_alone() -> None:
    (row,) = rows(answers_csv([Answer("a=b.jpg", (Tag("x", "1e5", 0.5),))]))
    assert (row["file"], row["tag 1"], row["probability 1"]) == ("a=b.jpg", "1e5", "0.5")


def test_quotes_commas_and_new_lines_survive() -> None:
    name = 'a, "b"\nc.jpg'
    (row,) = rows(answers_csv([Answer(name)]))
    assert row["file"] == name


def test_what_the_model_does_not_know_is_marked() -> None:
    (row,) = rows(answers_csv([Answer("a.jpg", (Tag("x", "x", 0.5),), unknown=True)]))
    assert (row["unknown"], row["tag 1"]) == ("yes", "x")
