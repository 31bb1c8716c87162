"""Boards as CSV: a line for each model and attack, and one with attack "all" for the worst case over the attacks.

A suite has one more for each stage: what that and those before it left, at what cost together.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from robust.record import Attacked, Reached, Record, union
from robust.report.board import Board, Row, percent, stages_of
from robust.stats import wilson

SCHEMA = 1

COLUMNS = (
    "schema", "data", "threat", "suite", "rank", "model", "training", "attack", "n",
    "clean_percent", "robust_percent", "low_percent", "high_percent", "drop_points", "clean_correct", "robust_correct",
    "forwards", "backwards", "seconds", "params", "weights", "samples", "seed", "date",
    "partial", "verdict", "doubts", "accepted", "levels", "rounded_percent",
)  # fmt: skip


def csv(boards: Iterable[Board]) -> str:
    """The whole file; percentages are of all n samples and have full precision."""
    lines = [line for board in boards for row in board.rows for line in _lines(board, row)]
    return pd.DataFrame(lines, columns=COLUMNS).to_csv(index=False, lineterminator="\n")


def _lines(board: Board, row: Row) -> list[dict[str, Any]]:
    record = row.record
    attacks = sorted(record.attacks, key=lambda attack: attack.name)
    lines = [_line(board, row, each.name, _left(record, each), each) for each in (_all(attacks), *attacks)]
    correct = int(record.correct.sum())
    for k, stage in enumerate(stages_of(record), 1):
        name = f"{record.suite} after {k}: {stage.attack}"
        lines.append(_line(board, row, name, correct - stage.broken, stage))
    return lines


def _all(attacks: list[Attacked]) -> Attacked:
    """The worst case: broken by any, at the cost of all."""
    broken = union(attack.broken for attack in attacks)
    stored = [attack.rounded for attack in attacks if attack.rounded is not None]
    rounded = union(stored) if len(stored) == len(attacks) else None
    forwards, backwards = sum(a.forwards for a in attacks), sum(a.backwards for a in attacks)
    return Attacked("all", {}, broken, forwards, backwards, sum(a.seconds for a in attacks), rounded=rounded)


def _left(record: Record, attack: Attacked) -> int:
    return int((record.correct & ~attack.broken).sum())


def _line(board: Board, row: Row, attack: str, k: int, spent: Attacked | Reached) -> dict[str, Any]:
    record, n = row.record, row.record.data.n
    low, high = wilson(k, n)
    return {
        "schema": SCHEMA,
        "data": _guard(board.data),
        "threat": _guard(board.threat),
        "suite": _guard(board.suite),
        "rank": "" if row.rank is None else row.rank,
        "model": _guard(record.model.name),
        "training": _guard(record.model.training),
        "attack": _guard(attack),
        "n": n,
        "clean_percent": row.clean,
        "robust_percent": percent(k, n),
        "low_percent": 100 * low,
        "high_percent": 100 * high,
        "drop_points": row.clean - percent(k, n),
        "clean_correct": int(record.correct.sum()),
        "robust_correct": k,
        "forwards": spent.forwards,
        "backwards": spent.backwards,
        "seconds": round(spent.seconds, 3),
        "params": record.model.params,
        # "sha256:", or a reader would take some digests for numbers
        "weights": f"sha256:{record.model.weights[:16]}",
        "samples": f"sha256:{record.data.digest[:16]}",
        "seed": record.seed,
        "date": _guard(str(record.provenance.get("date", ""))),
        "partial": record.partial,
        "verdict": record.verdict,
        "doubts": _names(doubt.name for doubt in record.trust.doubts) if record.trust else "",
        "accepted": _names(record.trust.accepted) if record.trust else "",
        "levels": record.levels,
        "rounded_percent": _rounded_percent(record, spent),
    }


def _rounded_percent(record: Record, spent: Attacked | Reached) -> float | None:
    """What is left where the inputs are rounded to the levels; it is not known after a suite's stages."""
    if isinstance(spent, Reached) or spent.rounded is None:
        return None
    return percent(int((record.correct & ~spent.rounded).sum()), record.data.n)


def _names(names: Iterable[str]) -> str:
    return _guard(" ".join(names))


def _guard(text: str) -> str:
    """A spreadsheet would run a cell that begins like a formula; a quote in front makes it text."""
    text = " ".join(text.split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
