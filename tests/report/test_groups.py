"""The accuracies of classes and groups in the tables: of the terminal, of Markdown, of CSV, and of the page."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from robust.records.groups import Groups
from robust.report.board import boards
from robust.report.csv import groups_csv, wide_csv
from robust.report.markdown import markdown
from robust.report.page.groups import by_class, by_group
from robust.report.terminal import terminal
from robust.stats import wilson
from tests.making import record

CLASSES = {"n": [4, 0, 4], "correct": [4, 0, 2], "robust": [3, 0, 1], "names": ["cat", "dog", "emu|=1"]}
GROUPS = Groups("<sex>", ("f", "m"), np.array([0, 0, 1, 1, 1, 1, 1, 1]))


def made(groups=GROUPS, **provenance):
    row = record("11111100", {"pgd": "11000000"})
    return replace(row, groups=groups, provenance=row.provenance | provenance)


def read(text):
    return pd.read_csv(io.StringIO(text))


def test_the_terminal_names_the_weakest_class_and_the_groups_from_the_weakest_on():
    told = " ".join(terminal(boards([made(classes=CLASSES)])[0], 80).split("\n"))
    low, high = (100 * end for end in wilson(1, 4))

    assert f"weakest of 2 classes: emu|=1, robust 25.0 % (95 % interval {low:.1f} to {high:.1f}, 1/4), clean" in told
    assert told.index("robust by <sex>: f 0.0 %") < told.index("; m 66.7 %")
    assert "weakest" not in terminal(boards([made(None)])[0], 80)
    assert "worst class" not in told  # the line has it, and the table has no room


def test_a_long_list_of_groups_is_cut_and_says_where_the_rest_is():
    many = Groups("k", tuple("abcdefgh"), np.arange(8))

    assert "; 2 more are in groups.csv" in " ".join(terminal(boards([made(many)])[0], 80).split("\n"))


def test_markdown_has_a_column_of_the_weakest_class_and_escapes_names():
    told = markdown(boards([made(classes=CLASSES)]))

    assert "| worst class % |" in told
    assert "| 25.0 |" in told
    assert "robust by \\<sex\\>: f 0.0 %" in told
    assert "worst class" not in markdown(boards([made()]))


def test_csv_has_the_weakest_of_each_row_and_a_line_for_every_class_and_group():
    row = read(wide_csv(boards([made(classes=CLASSES)]))).iloc[0]
    low, high = (100 * end for end in wilson(1, 4))
    table = read(groups_csv(boards([made(classes=CLASSES), made(None)])))

    assert (row.worst_class, row.worst_class_n, row.worst_class_percent) == ("emu|=1", 4, 25)
    assert (row.worst_class_low, row.worst_class_high) == pytest.approx((low, high), abs=1e-3)
    assert (row.groups, row.worst_group, row.worst_group_n, row.worst_group_percent) == ("<sex>", "f", 2, 0)
    assert [*zip(table.column, table.group, table.n, table.robust_correct, strict=True)] == [
        ("class", "cat", 4, 3), ("class", "emu|=1", 4, 1), ("<sex>", "f", 2, 0), ("<sex>", "m", 6, 4),
    ]  # fmt: skip
    assert table.clean_percent.tolist() == pytest.approx([100, 50, 100, 66.6667], abs=1e-3)


def test_the_page_shows_both_and_escapes_names():
    shown = made(classes=CLASSES)

    assert "the weakest class, emu|=1: robust 25.0 %" in str(by_class(shown))
    assert ">dog<" not in str(by_class(shown))
    assert "by &lt;sex>" in str(by_group(shown)).replace("&gt;", ">")
    assert str(by_group(made(None))) == str(by_class(made())) == ""
