"""Count what adversarial rows of a table changed, feature by feature, from the rows themselves."""

import json
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.records.moved import Moved
from robust.verification.tables import read_columns


def count_moved(content: str, x_adv: NDArray[Any], x: NDArray[Any]) -> tuple[Moved, ...]:
    """Return what the rows x_adv changed of x, (n, features), for a table's content: the most moved feature first."""
    columns = read_columns(content)
    names, ranges = [column.name for column in columns], {column.name: column.hi - column.lo for column in columns}
    groups: dict[str, list[str]] = json.loads(content).get("groups", {})
    change = np.nan_to_num(x_adv.astype(np.float64) - x.astype(np.float64))
    inside = {member for members in groups.values() for member in members}
    found = [_count_number(name, change[:, k]) for k, name in enumerate(names) if name not in inside]
    for group, members in groups.items():
        at = [names.index(member) for member in members]
        found.append(_count_group(group, members, x[:, at], x_adv[:, at]))

    def rank(part: Moved) -> tuple[float, str]:
        """Return what puts first the feature that moved most: in how many rows, times the median share of its range."""
        return -part.n * (part.median / ranges[part.feature] if part.feature in ranges else 1.0), part.feature

    return tuple(sorted((part for part in found if part.n), key=rank))


def _count_number(name: str, change: NDArray[np.float64]) -> Moved:
    moved = change[change != 0]
    up, down, size = int((moved > 0).sum()), int((moved < 0).sum()), np.abs(moved)
    way = ", ".join(f"{word} {count}" for word, count in (("up", up), ("down", down)) if count)
    median, largest = (float(f"{value(size):.6g}") if size.size else 0.0 for value in (np.median, np.max))
    return Moved(name, len(moved), len(change), median, largest, way)


def _count_group(group: str, members: list[str], before: NDArray[Any], after: NDArray[Any]) -> Moved:
    moved = np.flatnonzero((before != after).any(1) & ~np.isnan(before).any(1))
    pairs = Counter((members[before[row].argmax()], members[after[row].argmax()]) for row in moved)
    way = "{0[0]} to {0[1]} {1}".format(*pairs.most_common(1)[0]) if pairs else ""
    return Moved(group, len(moved), len(before), 0.0, 0.0, way)
