"""Label files: names for people, matched to folders by what stands in the file, never by position."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtag.data.label_files import read_label_file

CLASSES = ["1", "2", "10"]


def test_a_json_map_is_read_by_key_and_not_by_order() -> None:
    data = json.dumps({"10": "globe thistle", "1": "pink primrose", "2": "hard-leaved orchid", "11": "x"}).encode()
    found = read_label_file("cat_to_name.json", data, CLASSES)
    assert found is not None
    assert found.names == {"1": "pink primrose", "2": "hard-leaved orchid", "10": "globe thistle"}


def test_a_json_map_may_run_the_other_way_round() -> None:
    found = read_label_file("x.json", json.dumps({"rose": "1", "tulip": "2", "lily": "10"}).encode(), CLASSES)
    assert found is not None
    assert found.names == {"1": "rose", "2": "tulip", "10": "lily"}


def test_a_padded_table_with_blank_lines_gives_every_column_and_prefers_the_common_name() -> None:
    data = b"""Label, Latin Name         , Common Name  , Train Images

n0   , alouatta_palliata\t, mantled_howler    , 131
n1   , erythrocebus_patas\t, patas_monkey     , 139

"""
    found = read_label_file("monkey_labels.txt", data, ["n0", "n1"])
    assert found is not None
    assert found.best == "Common Name"
    assert found.names == {"n0": "mantled howler", "n1": "patas monkey"}
    assert found.choices["Latin Name"] == {"n0": "alouatta palliata", "n1": "erythrocebus patas"}
    assert "Train Images" not in found.choices


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_tables_of_every_kind_without_a_header(separator: str, encoding: str) -> None:
    text = "\n".join(separator.join(row) for row in (["1", "Käfer"], ["2", "Hummel"], ["10", "Biene"]))
    found = read_label_file("labels.csv", text.encode(encoding), CLASSES)
    assert found is not None
    assert found.names == {"1": "Käfer", "2": "Hummel", "10": "Biene"}


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("readme.txt", b"These pictures were taken\nin the summer of 2019, 1 by 1"),
        ("a.json", b"[1, 2]"),
        ("a.json", b'{"1": {"x": "y"}}'),
        ("a.json", b'{"half": '),
        ("a.json", b"[" * 200_000),
        ("a.csv", b""),
        ("a.csv", b"1\n2\n10"),
        ("a.csv", b"file,label\nx.jpg,1\ny.jpg,2\nz.jpg,1\n"),
        ("a.csv", b"1,same\n2,same\n10,same"),
        ("a.txt", b'title,"quoted\n' + b"a long story, " * 20_000 + b"\n1, 2\n"),
        ("a.txt", bytes(range(256)) * 4),
    ],
)
def test_other_files_are_no_label_files_and_do_no_harm(file: str, data: bytes) -> None:
    assert read_label_file(file, data, CLASSES) is None


def test_half_of_the_classes_must_be_named() -> None:
    assert read_label_file("x.json", b'{"1": "rose", "7": "x"}', CLASSES) is None
    assert read_label_file("x.json", b'{"1": "rose", "2": "lily"}', CLASSES) is not None
    assert read_label_file("x.json", b'{"1": "rose"}', []) is None


@settings(max_examples=200, deadline=None)
@given(
    file=st.sampled_from(["x.json", "x.csv", "x.txt"]),
    data=st.one_of(st.binary(max_size=80), st.text(alphabet='12,0;"\n\t {}:[]|a', max_size=60).map(str.encode)),
)
def test_any_bytes_give_names_for_our_classes_or_nothing(file: str, data: bytes) -> None:
    found = read_label_file(file, data, CLASSES)
    if found is not None:
        assert found.best in found.choices
        for names in found.choices.values():
            assert set(names) <= set(CLASSES)
            assert all(name.strip() for name in names.values())
