"""Boards as CSV: long, one line for each model and attack, or wide, one line a model and one column an attack."""

import csv
import io
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from robust.attacks.grammar.norms import parse_threat
from robust.attacks.text import cell, printable
from robust.report import compressed, corrupted, groups
from robust.report.board import Board, percent
from robust.report.lines import Line, column_of, column_of_proof, line_of_all, lines, list_parts

COLUMNS = (
    "schema", "data", "threat", "suite", "rank", "model", "training", "attack", "n",
    "clean_percent", "robust_percent", "low_percent", "high_percent", "drop_points", "clean_correct", "robust_correct",
    "forwards", "backwards", "seconds", "params", "weights", "samples", "seed", "date",
    "partial", "verdict", "doubts", "accepted", "levels", "rounded_percent",
    "certify", "certified", "certified_low", "certified_high", "open", "curve_end", "curve_median",
    "criterion", "score", "clean_score", "clean_score_low", "clean_score_high",
    "attacked_score", "attacked_score_low", "attacked_score_high",
    "clean_miou", "clean_miou_low", "clean_miou_high", "attacked_miou", "attacked_miou_low", "attacked_miou_high",
    "folds", "clean_sd", "robust_sd", "draws", "clean_undecided", "undecided",
    *corrupted.COLUMNS,
    "asked", "queries_median",
    *groups.COLUMNS,
    *compressed.COLUMNS,
)  # fmt: skip
PLACES = 4  # decimals of a figure in percent: below one sample in a million; the counts beside it are exact


def long_csv(boards: Iterable[Board]) -> str:
    """Return results.csv: the robust accuracy under each attack, and under all of them as the attack "all".

    A suite has one more line for each stage: the robust accuracy and the cost after it.
    """
    boards = list(boards)
    rows = [line for board in boards for row in board.rows for line in lines(board, row)]
    return _csv((*COLUMNS, *_list_further(boards)), rows)


def wide_csv(boards: Iterable[Board]) -> str:
    """Return leaderboard.csv: the line of each row for all attacks, and its robust accuracy under each, in percent."""
    return _csv(*wide_table(boards))


def groups_csv(boards: Iterable[Board]) -> str:
    """Return groups.csv: the accuracies of each class, and of each group, of each row."""
    return _csv(groups.TABLE, groups.table_lines(boards))


def wide_table(boards: Iterable[Board]) -> tuple[list[str], list[Line]]:
    """Return the columns and the lines of leaderboard.csv, in the order of the boards."""
    boards = list(boards)
    rows: list[Line] = []
    attacks: dict[str, str] = {}
    for board in boards:
        for row in board.rows:
            parts = {attacks.setdefault(name, f"{printable(name)} percent"): k for name, k, _ in list_parts(row.record)}
            under = {name: percent(k, row.record.data.n) for name, k in parts.items()}
            rows.append(_tidy_line(line_of_all(board, row) | under))
    return [
        *(column for column in COLUMNS if column != "attack"),
        *sorted(attacks.values()),
        *_list_further(boards),
    ], rows


def _list_further(boards: Iterable[Board]) -> list[str]:
    """List the columns that depend on what rows have: of each corruption, and of radii."""
    boards = list(boards)
    return [*corrupted.list_columns(row.record for board in boards for row in board.rows), *_list_radii(boards)]


def _list_radii(boards: Iterable[Board]) -> list[str]:
    """List the columns of the accuracies on curves: those that any row lists, by norm and radius; then the proofs."""
    curves = [row.record.curve for board in boards for row in board.rows if row.record.curve]
    listed = {f"{curve.norm}:{text}" for curve in curves for text in curve.eps}
    proved = {f"{curve.norm}:{text}" for curve in curves for text, _ in curve.list_proved()}
    columns = [column_of(threat) for threat in sorted(listed, key=parse_threat)]
    return [*columns, *(column_of_proof(threat) for threat in sorted(proved, key=parse_threat))]


def _tidy_line(line: Line) -> Line:
    """Return a line with figures of few decimals and texts that a reader of any table can show."""
    return {key: _tidy(value) for key, value in line.items()}


def _tidy(value: Any) -> Any:
    return round(value, PLACES) if isinstance(value, float) else printable(value) if isinstance(value, str) else value


def _csv(columns: Iterable[str], rows: Iterable[Line]) -> str:
    file, names = io.StringIO(), [*columns]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(_guard, names))
    writer.writerows([_cell(line.get(name)) for name in names] for line in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    return _guard(value) if isinstance(value, str) else round(value, PLACES) if isinstance(value, float) else value


_guard = lru_cache(4096)(cell)  # the same few texts stand in thousands of lines
