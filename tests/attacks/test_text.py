"""Texts of strangers, as they are shown."""

import pytest

from robust.attacks.text import brief, cell, first_line, printable, printable_lines, shorten_texts
from tests.strangers import TEXTS, assert_harmless


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_nothing_in_a_text_is_obeyed(text):
    shown = printable(text)

    assert_harmless(shown)
    assert "\n" not in shown
    assert printable(shown) == shown
    assert len(brief(text)) <= 1003
    assert_harmless(printable_lines(text))
    assert_harmless(first_line(ValueError(text)))


@pytest.mark.parametrize(
    "text", ["net.py::test_suite[linf]", "a.py::TestA::test_b failed", "std::vector", "## Title", "#1", "模型 é", "::1"]
)
def test_what_begins_no_command_stays(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a ::Error title=x::b", "a :?Error title=x::b"),
        ("::endgroup::", ":?endgroup::"),
        ("::set-output name=x::y", ":?set-output name=x::y"),
        ("##[group]x", "#?[group]x"),
        ("##teamcity[x", "#?teamcity[x"),
    ],
)
def test_a_command_is_broken_wherever_it_stands(text, shown):
    assert printable(text) == shown  # a table folds a name anywhere, so that its middle may begin a line


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1", "'=1"),
        ("\t=1", "'=1"),
        ("a; +1", "a; '+1"),
        (";;-1", ";;'-1"),
        ("\uff1d1", "'\uff1d1"),
        ("@x", "'@x"),
        ("pgd-at+ema:beta=3", "pgd-at+ema:beta=3"),
    ],
)
def test_no_spreadsheet_calculates_a_cell(text, written):
    assert cell(text) == written


def test_all_texts_of_foreign_json_are_short_and_harmless():
    assert shorten_texts({"\x1b": ["a\nb", {"c": "x" * 9}], "n": 3}, most=4) == {"?": ["a?b", {"c": "xxxx..."}], "n": 3}
