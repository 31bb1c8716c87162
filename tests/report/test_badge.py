import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from robust.records.trust import Finding, TrustReport
from robust.report.badge import badges, shields, svg
from robust.report.board import boards
from tests.making import file, record, robust


def row(*records):
    return boards(records)[0].rows[0]


def test_a_badge_says_the_figure_and_under_what():
    assert json.loads(shields(row(robust(61, 100)))) == {
        "schemaVersion": 1,
        "label": "robust acc. (linf:0.15)",
        "message": "61.0 %",
        "color": "green",
    }


@pytest.mark.parametrize(
    ("k", "colour"), [(0, "red"), (10, "orange"), (39, "yellow"), (40, "yellowgreen"), (100, "brightgreen")]
)
def test_its_colour_follows_the_figure(k, colour):
    assert json.loads(shields(row(robust(k, 100))))["color"] == colour


def test_one_that_is_not_to_be_relied_on_is_grey_and_says_so():
    doubted = replace(
        robust(61, 100), trust=TrustReport((Finding("flat", "suspect", 1, "a", "b"),), (), ("flat",), (), 1)
    )
    partial = replace(robust(61, 100), attacks=(replace(record("1" * 100).attacks[0], partial="time"),))
    contents = [json.loads(shields(row(made))) for made in (doubted, partial)]

    assert [(content["message"], content["color"]) for content in contents] == [
        ("61.0 %, suspect", "lightgrey"),
        ("at most 61.0 %", "lightgrey"),
    ]


def test_the_picture_is_svg_that_says_the_same():
    picture = ElementTree.fromstring(svg(row(robust(61, 100))))

    assert picture.get("aria-label") == "robust acc. (linf:0.15): 61.0 %"
    assert [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")] == [
        "robust acc. (linf:0.15)",
        "61.0 %",
    ]


def test_a_folder_has_two_for_each_board_and_none_of_boards_that_are_gone(tmp_path):
    file(tmp_path, record(), record(threat="l2:1"))
    (tmp_path / "badges" / "mine.svg").write_text("<svg/>")
    for path in (tmp_path / "results" / "digits" / "l2-1").rglob("*"):
        path.is_file() and path.unlink()
    file(tmp_path)

    assert sorted(path.name for path in (tmp_path / "badges").iterdir()) == [
        "digits-linf-0.15-pgd.json",
        "digits-linf-0.15-pgd.svg",
        "mine.svg",
    ]
    assert {*badges(boards([record()])[0])} == {"digits-linf-0.15-pgd.json", "digits-linf-0.15-pgd.svg"}
