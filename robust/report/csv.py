"""Boards as CSV: a line for each model and attack, and one with attack "all" for the worst case over the attacks."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from robust.report.board import Board, Row, percent
from robust.stats import wilson

SCHEMA = 1


def csv(boards: Iterable[Board]) -> str:
    """The whole file; percentages are of all n samples and have full precision."""
    lines = [line for board in boards for row in board.rows for line in _lines(board, row)]
    return pd.DataFrame(lines, columns=list(COLUMNS)).to_csv(index=False, lineterminator="\n")


COLUMNS = (
    "schema data threat suite rank model training attack n clean_percent robust_percent low_percent high_percent "
    "drop_points clean_correct robust_correct forwards backwards seconds params weights samples seed date"
).split()


def _lines(board: Board, row: Row) -> list[dict[str, Any]]:
    attacks = sorted(row.record.attacks, key=lambda attack: attack.name)
    found = [
        (attack.name, row.record.correct & ~attack.broken, attack.forwards, attack.backwards, attack.seconds)
        for attack in attacks
    ]
    sums = (sum(line[i] for line in found) for i in (2, 3, 4))
    return [_line(board, row, *line) for line in (("all", row.record.robust, *sums), *found)]


def _line(board: Board, row: Row, attack: str, robust: Any, forwards: int, backwards: int, seconds: float) -> dict[str, Any]:
    record = row.record
    n, k = record.data.n, int(robust.sum())
    low, high = wilson(k, n)
    figures = {
        "clean_percent": row.clean,
        "robust_percent": percent(k, n),
        "low_percent": 100 * low,
        "high_percent": 100 * high,
        "drop_points": row.clean - percent(k, n),
        "clean_correct": int(record.correct.sum()),
        "robust_correct": k,
        "forwards": forwards,
        "backwards": backwards,
        "seconds": round(seconds, 3),
    }
    names = {
        "data": board.data,
        "threat": board.threat,
        "suite": board.suite,
        "model": record.model.name,
        "training": record.model.training,
        "attack": attack,
        "date": str(record.provenance.get("date", "")),
    }
    numbers = {"schema": SCHEMA, "rank": row.rank, "n": n, "params": record.model.params, "seed": record.seed}
    # "sha256:", or a reader would take some digests for numbers
    hashes = {"weights": f"sha256:{record.model.weights[:16]}", "samples": f"sha256:{record.data.digest[:16]}"}
    return {**numbers, **{key: _guard(text) for key, text in names.items()}, **hashes, **figures}


def _guard(text: str) -> str:
    """A spreadsheet would run a cell that begins like a formula; a quote in front makes it text."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
