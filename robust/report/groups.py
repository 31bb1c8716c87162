"""The accuracies of classes and groups: in words, as columns of a row, and as a table of their own."""

from collections.abc import Iterable, Sequence
from typing import Any

from robust.gates import Measured
from robust.records.groups import Group, find_weakest
from robust.records.record import Record
from robust.report.board import Board

Line = dict[str, Any]

SCHEMA = 1
MOST = 6  # groups that a terminal names; groups.csv has all
WORST = ("", "_n", "_percent", "_low", "_high")
COLUMNS = (*(f"worst_class{end}" for end in WORST), "groups", *(f"worst_group{end}" for end in WORST))
TABLE = (
    "schema", "data", "threat", "suite", "model", "training", "weights", "criterion", "column", "group", "n",
    "clean_percent", "robust_percent", "low_percent", "high_percent", "clean_correct", "robust_correct",
)  # fmt: skip
CLASS = "class"  # the column of the classes themselves


def list_columns(record: Record) -> list[tuple[str, tuple[Group, ...]]]:
    """List the columns that samples are told apart by, each with its groups: their class, and that of the groups."""
    found = [(CLASS, record.by_class), (record.groups.column if record.groups else "", record.by_group)]
    return [(column, groups) for column, groups in found if groups]


def describe_weakest(record: Record) -> str:
    """Return a line on the weakest class of a row; "" if it has not several."""
    classes = record.by_class
    if len(classes) < 2 or (weakest := find_weakest(classes)) is None:
        return ""
    who = f"{record.model.name} ({record.recipe})"
    return f"{who}, weakest of {len(classes)} classes: {weakest.name}, robust {_describe(weakest)}"


def describe_groups(record: Record) -> str:
    """Return a line on the groups of a row, the weakest first; "" if it has none."""
    groups = rank_groups(record.by_group)
    if not groups or record.groups is None:
        return ""
    told = "; ".join(f"{group.name} {_describe(group)}" for group in groups[:MOST])
    more = f"; {len(groups) - MOST} more are in groups.csv" * (len(groups) > MOST)
    return f"{record.model.name} ({record.recipe}), robust by {record.groups.column}: {told}{more}"


def _describe(group: Group) -> str:
    return f"{Measured.of(group.robust, group.n)}, clean {group.clean_percent:.1f} %"


def rank_groups(groups: Iterable[Group]) -> list[Group]:
    """Return the groups in the order of their robust accuracy, the weakest first; of equals that of most samples."""
    return sorted(groups, key=lambda group: (group.percent, -group.n))


def worst_cells(record: Record) -> Line:
    """Return the cells of the weakest class and of the weakest group of a row, with Wilson intervals."""
    cells: Line = {"groups": record.groups.column} if record.groups else {}
    for key, groups in (("worst_class", record.by_class), ("worst_group", record.by_group)):
        if weakest := find_weakest(groups):
            figures = (weakest.name, weakest.n, *Measured.of(weakest.robust, weakest.n).bounds)
            cells |= {f"{key}{end}": figure for end, figure in zip(WORST, figures, strict=True)}
    return cells


def table_lines(boards: Iterable[Board]) -> Iterable[Line]:
    """Yield the lines of groups.csv: one for each class and each group of each row."""
    for board in boards:
        for row in board.rows:
            shared = _share(board, row.record)
            for column, groups in list_columns(row.record):
                yield from (shared | {"column": column} | _cells(group) for group in groups)


def _share(board: Board, record: Record) -> Line:
    return {
        "schema": SCHEMA,
        "data": board.data,
        "threat": board.threat,
        "suite": board.suite,
        "model": record.model.name,
        "training": record.recipe,
        "weights": f"sha256:{record.model.weights[:16]}",
        "criterion": record.criterion["name"],
    }


def _cells(group: Group) -> Line:
    percent, low, high = Measured.of(group.robust, group.n).bounds
    return {
        "group": group.name,
        "n": group.n,
        "clean_percent": group.clean_percent,
        "robust_percent": percent,
        "low_percent": low,
        "high_percent": high,
        "clean_correct": group.correct,
        "robust_correct": group.robust,
    }


def weakest_first(groups: Sequence[Group], most: int) -> list[Group]:
    """Return at most so many groups, in their order; of more, the weakest."""
    worst = sorted(range(len(groups)), key=lambda k: groups[k].percent)[:most]
    return [groups[k] for k in sorted(worst)]
