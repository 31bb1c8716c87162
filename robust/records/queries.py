"""The queries of an attack that only asks: how many each sample took to its first success. No torch.

They are the column `queries` of an attack, (n,): 0 where the clean sample is answered wrong, and inf where no success
was found and verified; the query of the clean sample counts.
"""

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.records.attack_outcome import AttackOutcome
from robust.records.columns import QUERIES

MARKS = (10, 100, 1000, 10_000, 100_000, 1_000_000)  # queries after which the accuracy is told

Queries = NDArray[np.float32]  # (n,)


def queries_of(attack: AttackOutcome) -> Queries | None:
    """Return the queries of each sample; None for an attack that does not count them."""
    queries = attack.columns.get(QUERIES)
    return None if queries is None else queries.astype(np.float32)


def robust_after(queries: Queries, spent: float) -> Flags:
    """Mark the samples, (n,), that are answered right, and that no success was found for in so many queries."""
    marks: Flags = queries > np.float32(spent)
    return marks


def median_queries(queries: Queries) -> float | None:
    """Return the median of the queries of those samples that a success was found for; None if there are none."""
    found = queries[np.isfinite(queries) & (queries > 0)]
    return float(np.median(found)) if len(found) else None


def list_marks(asked: int) -> list[int]:
    """List the round numbers of queries below those that a sample was asked at most, and these."""
    return [*(mark for mark in MARKS if mark < asked), asked]


def check_queries(attack: AttackOutcome) -> None:
    """Raise ValueError if an attack's queries contradict its adversarial samples."""
    queries = queries_of(attack)
    if queries is None:
        return
    if queries.ndim != 1 or not (queries >= 0).all():
        raise ValueError("not a record: the column 'queries' must be a number, 0 or more, for each sample")
    if ((np.isfinite(queries) & (queries > 0)) != attack.adversarial).any():
        raise ValueError("its parts do not agree: a sample has a number of queries where it is adversarial, only there")
