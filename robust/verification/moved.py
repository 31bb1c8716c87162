"""Count what adversarial inputs changed, of a table by feature and of several inputs by part, from the inputs."""

import json
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.records.moved import Moved
from robust.verification.balls import Floats
from robust.verification.products import read_parts, read_product
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


def count_parts(threat: str, layout: str, x_adv: NDArray[np.float32], x: NDArray[np.float32]) -> tuple[Moved, ...]:
    """Return in how many adversarial inputs each part moved, and by how much of its eps: the most often moved first.

    Of a union of products it is the largest eps of the part that counts.
    """
    found = []
    for part in read_parts(layout):
        balls = [balls[part.name] for balls in map(read_product, threat.split("+")) if part.name in balls]
        if not balls:
            continue
        ball = max(balls, key=lambda ball: ball.eps)
        d: Floats = x_adv[:, part.place].astype(np.float64) - x[:, part.place].astype(np.float64)
        share = ball.measure(d) / ball.eps
        alone = int(((share > 0) & _others_rest(layout, part.name, x_adv, x)).sum())
        moved = share[share > 0]
        median, largest = (float(f"{value(moved):.6g}") if moved.size else 0.0 for value in (np.median, np.max))
        found.append(Moved(part.name, len(moved), len(share), median, largest, f"{alone} of {len(share)}"))
    return tuple(sorted(found, key=lambda part: (-part.n, part.feature)))


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


def _others_rest(layout: str, name: str, x_adv: NDArray[np.float32], x: NDArray[np.float32]) -> Flags:
    """Mark the rows in which no other part than this one differs, (n,)."""
    differs = x_adv != x
    for part in read_parts(layout):
        if part.name == name:
            differs[:, part.place] = False
    rest: Flags = ~differs.any(1)
    return rest
