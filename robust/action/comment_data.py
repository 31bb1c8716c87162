"""The data of a comment on a pull request: counts, thresholds and words of fixed lists, as JSON.

The run of a stranger's pull request writes it, and comment.py, which trusts nothing in it, reads it elsewhere.
"""

import json
from fractions import Fraction
from typing import Any

from robust.action.outcome import Line, Outcome
from robust.attacks.grammar.norms import NORMS
from robust.attacks.grammar.pixels import PIXELS

SCHEMA = 1
MAX_ROWS = 50  # rows, and comparisons
COMPARED = ("metric", "n", "before", "after", "lost", "won", "p", "points", "ruling")

WEAKEST = ("part", "n", "robust", "of", "floor", "ruling")  # without the name, which is a stranger's


def to_numbers(outcome: Outcome) -> str:
    """Return the JSON text of an outcome's numbers, of at most so many rows and comparisons."""
    content = {
        "schema": SCHEMA,
        "status": outcome.status,
        "failures": len(outcome.failures),
        "warnings": len(outcome.warnings),
        "rows": [_row(line) for line in outcome.lines[:MAX_ROWS]],
        "compared": [{key: figures[key] for key in COMPARED} for figures in outcome.compared.values()][:MAX_ROWS],
    }
    return json.dumps(content, indent=1) + "\n"


def _row(line: Line) -> dict[str, Any]:
    record = line.record
    parts = [part.partition(":") for part in record.threat.split("+")]
    return {
        "threat": [
            {"norm": norm, "eps": float(Fraction(eps)) if norm in (*NORMS, PIXELS) else 1.0} for norm, _, eps in parts
        ],
        "n": record.data.n,
        "correct": int(record.correct.sum()),
        "robust": int(record.robust.sum()),
        "floor": line.floor,
        "fail_on": line.fail_on,
        "verdict": record.verdict,
        "partial": bool(record.partial),
        "weakest": [{key: getattr(weakest, key) for key in WEAKEST} for weakest in line.weakest],
    }
