"""Boards as CSV: long, one line for each model and attack, or wide, one line a model and one column an attack."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from robust.attacks.text import cell, printable
from robust.report.board import Board
from robust.report.lines import Line, lines

COLUMNS = (
    "schema", "data", "threat", "suite", "rank", "model", "training", "attack", "n",
    "clean_percent", "robust_percent", "low_percent", "high_percent", "drop_points", "clean_correct", "robust_correct",
    "forwards", "backwards", "seconds", "params", "weights", "samples", "seed", "date",
    "partial", "verdict", "doubts", "accepted", "levels", "rounded_percent",
)  # fmt: skip
PLACES = 4  # decimals of a figure in percent: below one sample in a million; the counts beside it are exact


def long_csv(boards: Iterable[Board]) -> str:
    """Return results.csv: the robust accuracy under each attack, and under all of them as the attack "all".

    A suite has one more line for each stage: the robust accuracy and the cost after it.
    """
    return _csv(COLUMNS, [_tidy_line(line) for board in boards for row in board.rows for line in lines(board, row)])


def wide_csv(boards: Iterable[Board]) -> str:
    """Return leaderboard.csv: the line of each row for all attacks, and its robust accuracy under each, in percent."""
    return _csv(*wide_table(boards))


def wide_table(boards: Iterable[Board]) -> tuple[list[str], list[Line]]:
    """Return the columns and the lines of leaderboard.csv, in the order of the boards."""
    rows, attacks = [], set()
    for board in boards:
        for row in board.rows:
            total, *parts = map(_tidy_line, lines(board, row))
            under = {f"{line['attack']} percent": line["robust_percent"] for line in parts}
            attacks |= {*under}
            rows.append(total | under)
    return [*(column for column in COLUMNS if column != "attack"), *sorted(attacks)], rows


def _tidy_line(line: Line) -> Line:
    """Return a line with figures of few decimals and texts that a reader of any table can show."""
    return {key: _tidy(value) for key, value in line.items()}


def _tidy(value: Any) -> Any:
    return round(value, PLACES) if isinstance(value, float) else printable(value) if isinstance(value, str) else value


def _csv(columns: Iterable[str], rows: list[Line]) -> str:
    cells = [{_guard(key): _guard(value) for key, value in line.items()} for line in rows]
    return pd.DataFrame(cells, columns=[_guard(column) for column in columns]).to_csv(index=False, lineterminator="\n")


def _guard(value: Any) -> Any:
    return cell(value) if isinstance(value, str) else value
