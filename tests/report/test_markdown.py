from dataclasses import replace
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from robust.records.store import GENERATED
from robust.report.board import boards
from robust.report.markdown import LINKS, markdown, table
from robust.report.table import LEGEND, PROOFS
from tests.making import certificate, record, stored

HOSTILE = [
    "a|b",
    "a\\|b",
    "a\\",
    "two\nlines",
    "two\r\n\r\n# heads",
    "| a | b |\n|---|---|",
    "<script>alert(1)</script>",
    "<!-- hidden",
    "[text](http://a.b)",
    "![image](http://a.b)",
    "<http://a.b>",
    "**bold** _it_ __b__ *i*",
    "`code`",
    "~~struck~~",
    "&lt;b&gt; &copy;",
    "# title",
    "snake_case_net",
    "[^1]",
]


def rendered(text):
    """(kind, text) of each heading and cell; what is in them beside text has no place there."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    for before, token in pairwise(tokens):
        if token.type == "inline" and before.tag in ("h1", "h2", "th", "td"):
            assert {child.type for child in token.children} <= {"text"}
            yield before.tag, token.content and "".join(child.content for child in token.children)


def names(text):
    """The cells below "model"."""
    cells = [content for tag, content in rendered(text) if tag == "td"]
    heads = [content for tag, content in rendered(text) if tag == "th"]
    return cells[heads.index("model") :: len(heads)]


def test_the_page_is_exactly_this():
    a = record("11111100", {"pgd": "11000000", "fgsm": "10000000"}, name="a_net")
    b = record("11110000", {"pgd": "11110000", "fgsm": "11000000"}, name="b", training="pgd-at")

    assert (
        markdown(boards([b, a]))
        == f"""\
<!-- made by pytest-robust from results/; edits are lost -->
# Robustness leaderboard

{LEGEND}

{LINKS}

## digits, linf:0.15, fgsm+pgd

| rank | model | training | clean % | fgsm | pgd | robust % | 95 % interval | drop | n | params | weights |
| ---: | :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | :--- |
| 1 | a\\_net | as-is | 75.0 | 62.5 | 50.0 | 50.0 | 21.5 to 78.5 | 25.0 | 8 | 1,234 | ab12ab12 |
| 1 | b | pgd-at | 50.0 | 25.0 | 0.0 | 0.0 | 0.0 to 32.4 | 50.0 | 8 | 1,234 | ab12ab12 |
"""
    )


def test_what_is_certified_is_a_column_where_some_row_has_a_certificate():
    proved = replace(record("11111100", {"pgd": "11000000"}, name="a"), certificate=certificate("00111000"))
    text = markdown(boards([proved, record("11110000", name="b")]))

    assert f"{LEGEND} {PROOFS}\n" in text
    assert "| robust % | 95 % interval | certified % | open % | drop |" in text
    assert "| 50.0 | 21.5 to 78.5 | 37.5 | 12.5 | 25.0 |" in text
    assert "| 50.0 | 21.5 to 78.5 |  |  | 0.0 |" in text


@pytest.mark.parametrize(("rounded", "noted"), [("10000000", True), ("11000000", False)])
def test_the_accuracy_against_rounded_inputs_is_noted_only_where_it_differs(rounded, noted):
    page = markdown(boards([stored(record("11111100", {"pgd": "11000000"}, name="a_net"), 256, rounded)]))
    line = "rounded to the levels of the data, where that differs: a\\_net (as-is) 62.5 at 256 levels.\n"

    assert (line in page) == noted
    assert ("Robust % against" in page) == noted


def test_each_board_is_a_section():
    page = markdown(boards([record(), record(data="mnist"), record(threat="l2:0.5")]))

    assert [content for tag, content in rendered(page) if tag == "h2"] == [
        "digits, l2:0.5, pgd",
        "digits, linf:0.15, pgd",
        "mnist, linf:0.15, pgd",
    ]


def test_the_order_of_the_records_means_nothing():
    made = [record(name="a"), record(name="b"), record(data="mnist"), record(threat="linf:0.3")]

    assert len({markdown(boards(order)) for order in permutations(made)}) == 1


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_is_shown_as_it_is(name):
    assert names(markdown(boards([record(name=name)]))) == [" ".join(name.split())]


@given(st.text([chr(code) for code in range(32, 127)] + ["\n", "\t", "é"], max_size=12))
def test_any_name_is_shown_as_it_is(name):
    assert names(markdown(boards([record(name=name)]))) == [" ".join(name.split())]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_of_data_stays_in_its_heading(name):
    (heading,) = (content for tag, content in rendered(markdown(boards([record(data=name)]))) if tag == "h2")

    assert heading == f"{' '.join(name.split())}, linf:0.15, pgd"


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_leaves_the_table_its_columns(name):
    lines = table(boards([record(name=name), record(name="other")])[0])
    rows = [content for tag, content in rendered("\n".join(lines)) if tag == "td"]

    assert len(lines) == 4
    assert len(rows) == 2 * lines[1].count("--")


@pytest.mark.parametrize("address", ["http://evil.example", "https://evil.example", "www.evil.example"])
def test_github_finds_no_bare_address_to_link(address):
    assert address not in markdown(boards([record(name=address)]))


def test_github_finds_no_formula():
    assert "$" not in markdown(boards([record(name="$a$")])).replace("\\$", "")


@pytest.mark.parametrize("records", [[], [record()]], ids=["none", "one"])
def test_the_page_is_known_as_ours(records):
    assert markdown(boards(records)).startswith(GENERATED["README.md"])
