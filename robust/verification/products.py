"""Changes of several inputs measured again, part by part, from the text of the threat model and the layout of a row.

Nothing here is shared with the attacks: a layout is read as the numbers of each part in a row, in their order.
"""

import json
import math
import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.verification.balls import Ball, Floats, read_ball

NAMED_BALL = re.compile(r"([^=:;]+)=([^=:;]+:[^=:;]+)")


class RowPart(NamedTuple):
    """A part of a row: its name, the numbers that it has there, and its bounds."""

    name: str
    place: slice
    lo: float
    hi: float


def is_product(part: str) -> bool:
    """Whether a part of a threat model is a product, "image=linf:8/255;meta=linf:0.1"."""
    return "=" in part.partition(":")[0]


def read_product(text: str) -> dict[str, Ball]:
    """Return the balls of a product by the names of their parts; ValueError for anything else."""
    balls = {}
    for piece in text.split(";"):
        if not (match := NAMED_BALL.fullmatch(piece)):
            raise ValueError(f"a threat model of several inputs, with a part that is none: {piece!r}")
        balls[match[1]] = read_ball(match[2])
    return balls


def read_parts(layout: str) -> list[RowPart]:
    """Return the parts of a layout, given as JSON; ValueError without one."""
    if not layout:
        raise ValueError("the layout of the several inputs is missing, by which they are checked")
    parts, end = [], 0
    for part in json.loads(layout)["parts"]:
        start, end = end, end + math.prod(part["shape"])
        parts.append(RowPart(part["name"], slice(start, end), float(part["lo"]), float(part["hi"])))
    return parts


def check_product(text: str, layout: str, x_adv: NDArray[np.float32], x: NDArray[np.float32]) -> tuple[Flags, Flags]:
    """Return (each part within its eps, and the others unchanged; within the bounds of each), each (n,).

    x_adv and x are (n, features). A part that the threat model does not name is equal bit for bit.
    """
    balls = read_product(text)
    small, inside = np.ones(len(x), bool), np.ones(len(x), bool)
    parts = read_parts(layout)
    if missing := {*balls} - {part.name for part in parts}:
        raise ValueError(f"the layout of the several inputs has no part {min(missing)}")
    for part in parts:
        after, before = x_adv[:, part.place], x[:, part.place]
        if part.name not in balls:
            small &= (after.view(np.uint32) == before.view(np.uint32)).all(1)
            continue
        d: Floats = after.astype(np.float64) - before.astype(np.float64)
        small &= balls[part.name].contains(d)
        lo, hi = np.asarray((part.lo, part.hi), x_adv.dtype)
        inside &= ((after >= lo) & (after <= hi)).all(1)
    return small, inside


def move_parts(threat: str, layout: str, x: NDArray[np.float32], signs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return inputs near x, (n, features): each number of a part that may move goes its share of eps up or down."""
    moved = x.copy()
    balls = read_product(threat)
    for part in read_parts(layout):
        if part.name in balls:
            ball, size = balls[part.name], part.place.stop - part.place.start
            step = np.float32(ball.eps / {"linf": 1.0, "l2": size**0.5, "l1": float(size)}[ball.norm])
            values = x[:, part.place] + step * signs[:, part.place]
            moved[:, part.place] = np.clip(values, np.float32(part.lo), np.float32(part.hi))
    return moved
