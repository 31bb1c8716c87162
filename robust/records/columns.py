"""Columns: a value for each of n samples, by name, as text in a record: {"bits": "…"} or {"float32": "…"}, in base64.

Bits are eight to a byte. Floats are little-endian; k values a sample are a column of shape (n, k), row by row.
"""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags, pack, unpack

BITS, FLOAT32 = "bits", "float32"
QUERIES = "queries"  # of an attack that only asks: see queries.py
REGIONS = "regions"  # beside it, of maps of C classes, (n, 2 C): pixels of each class's intersection, then of its union
THETA = "theta"  # of each attack whose threat model transforms, (n, 4): what made the input that was found; else NaN
SCORE = "score"  # the column of a criterion's score: of the clean samples, and of each under an attack
UNDECIDED = "undecided"  # of random answers: not right, or adversarial, since the test of them did not decide

Column = NDArray[np.bool_] | NDArray[np.float32]  # (n,) of bool; (n,) or (n, k) of float32
Columns = Mapping[str, Column]


def write_columns(columns: Columns) -> dict[str, dict[str, str]]:
    """Return the columns as JSON can hold them."""
    return {name: _write(column) for name, column in columns.items()}


def read_columns(content: dict[str, Any], n: int) -> dict[str, Column]:
    """Read the columns of n samples, without those of kinds that this version does not know; ValueError for damage."""
    return {name: _read(name, part, n) for name, part in content.items() if BITS in part or FLOAT32 in part}


def take_flags(columns: dict[str, Column], name: str) -> Flags:
    """Take a column of bits out of the columns; ValueError if it is missing, or holds numbers."""
    flags = columns.pop(name, None)
    if flags is None or flags.dtype != bool:
        raise ValueError(f"not a record: it lacks the column {name!r} of bits")
    return flags.astype(bool, copy=False)


def _write(column: Column) -> dict[str, str]:
    if column.dtype == bool:
        return {BITS: pack(column.astype(bool, copy=False))}
    return {FLOAT32: base64.b64encode(column.astype("<f4").tobytes()).decode()}


def _read(name: str, part: dict[str, Any], n: int) -> Column:
    try:
        if BITS in part:
            return unpack(part[BITS], n)
        values = np.frombuffer(base64.b64decode(part[FLOAT32], validate=True), "<f4").astype(np.float32)
    except TypeError:
        raise ValueError(f"the column {name!r} must be a text in base64") from None
    except ValueError as error:
        raise ValueError(f"the column {name!r}: {error}") from None
    if not len(values) or len(values) % n:
        raise ValueError(f"the column {name!r}: {len(values)} numbers do not fit {n} samples")
    return values if len(values) == n else values.reshape(n, -1)
