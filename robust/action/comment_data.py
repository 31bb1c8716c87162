"""The data of a comment on a pull request: counts, thresholds and words of fixed lists, as JSON.

The run of a stranger's pull request writes it, and comment.py, which trusts nothing in it, reads it elsewhere.
"""

import json
from fractions import Fraction
from typing import Any

from robust.action.outcome import Line, Outcome
from robust.attacks.grammar.norms import NORMS
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.words import family_of

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
    return {
        "threat": [_describe_part(part) for part in record.threat.split("+")],
        "n": record.data.n,
        "correct": int(record.correct.sum()),
        "robust": int(record.robust.sum()),
        "floor": line.floor,
        "fail_on": line.fail_on,
        "verdict": record.verdict,
        "partial": bool(record.partial),
        "weakest": [{key: getattr(weakest, key) for key in WEAKEST} for weakest in line.weakest],
    }


def _describe_part(part: str) -> dict[str, Any]:
    """Return the family of a part of a threat model, and its eps: 1 of those that have no one eps."""
    family = family_of(part)
    return {"norm": family, "eps": float(Fraction(part.partition(":")[2])) if family in (*NORMS, PIXELS) else 1.0}
