"""Boards as CSV, long: a line for each model and attack. And wide: a line for each model, a column for each attack."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from robust.report.board import Board
from robust.report.lines import Line, lines

COLUMNS = (
    "schema", "data", "threat", "suite", "rank", "model", "training", "attack", "n",
    "clean_percent", "robust_percent", "low_percent", "high_percent", "drop_points", "clean_correct", "robust_correct",
    "forwards", "backwards", "seconds", "params", "weights", "samples", "seed", "date",
    "partial", "verdict", "doubts", "accepted", "levels", "rounded_percent",
)  # fmt: skip


def long(boards: Iterable[Board]) -> str:
    """results.csv: what each attack leaves; "all" is the worst case over the attacks.

    A suite has one line more for each stage: what that and those before it left, at what cost together.
    """
    return _csv(COLUMNS, [line for board in boards for row in board.rows for line in lines(board, row)])


def wide(boards: Iterable[Board]) -> str:
    """leaderboard.csv: of each row what results.csv says of all attacks, and what each of them leaves, in percent."""
    return _csv(*wide_table(boards))


def wide_table(boards: Iterable[Board]) -> tuple[list[str], list[Line]]:
    """The columns and the lines of the wide one, in the boards' order."""
    found, attacks = [], set()
    for board in boards:
        for row in board.rows:
            whole, *each = lines(board, row)
            under = {f"{line['attack']} percent": line["robust_percent"] for line in each}
            attacks |= {*under}
            found.append(whole | under)
    return [*(column for column in COLUMNS if column != "attack"), *sorted(attacks)], found


def _csv(columns: Iterable[str], found: list[Line]) -> str:
    cells = [{_guard(key): _guard(value) for key, value in line.items()} for line in found]
    return pd.DataFrame(cells, columns=[_guard(column) for column in columns]).to_csv(index=False, lineterminator="\n")


def _guard(value: Any) -> Any:
    """A spreadsheet would run a text that begins like a formula; a quote in front makes it text."""
    if not isinstance(value, str):
        return value
    text = " ".join(value.split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
