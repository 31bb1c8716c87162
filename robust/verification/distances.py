"""Distances measured again: in float64 with numpy, from the text of the threat model and the bounds of the data.

Nothing here is shared with the attacks, so no mistake of theirs is made twice.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.verification.balls import SLACK, Ball, Floats, measure_norm, read_ball
from robust.verification.candidates import Candidates
from robust.verification.corruptions import check_corrupted, is_corruption
from robust.verification.patches import check_patch, is_patch
from robust.verification.pixels import check_pixels, read_pixels
from robust.verification.products import check_product, is_product
from robust.verification.tables import check_rows
from robust.verification.transforms import check_transform, is_transform

__all__ = ["SLACK", "Ball", "Floats", "check_limits", "flatten", "measure_norm", "read_balls", "row_chunks"]


def read_balls(threat: str) -> list[Ball]:
    """Return the balls of a threat model: one of "linf:8/255", two of "linf:8/255+l2:0.5"; others are none."""
    return [read_ball(part) for part in threat.split("+") if not _is_other(part)]


def _is_other(part: str) -> bool:
    own = part.startswith(("features:", "l0:"))
    return own or any(is_(part) for is_ in (is_product, is_patch, is_transform, is_corruption))


def check_limits(candidates: Candidates) -> tuple[Flags, Flags]:
    """Return (no larger than eps, or made by theta; in the bounds, or as a table demands), each (n,); a part is enough.

    A corrupted picture is no larger where the same corruption of the clean one is the same picture.

    The bounds are rounded to the inputs' type: 2.64 is not a float32, and the nearest float32 is a little above it.
    """
    x_adv, x = candidates.x_adv, candidates.x
    small, inside = np.zeros(len(x), bool), np.zeros(len(x), bool)
    lo, hi = np.asarray(candidates.bounds, x_adv.dtype).astype(np.float64)
    balls, contents = read_balls(candidates.threat), _find_tables(candidates)
    pixels = read_pixels(candidates.threat)
    kinds = (is_product, is_patch, is_transform, is_corruption)
    products, patches, transforms, corruptions = (
        [part for part in candidates.threat.split("+") if is_(part)] for is_ in kinds
    )
    shown = [check_patch(text, x_adv, x) for text in patches]
    for rows in row_chunks(len(x)):
        values = flatten(x_adv[rows])
        d = values - flatten(x[rows])
        within = ((values >= lo) & (values <= hi)).all(1)
        parts = [(ball.contains(d), within) for ball in balls]
        parts += [check_rows(content, x_adv[rows], x[rows]) for content in contents]
        parts += [(check_pixels(pixels, x_adv[rows], x[rows]), within)] if pixels is not None else []
        parts += [check_product(text, candidates.layout, x_adv[rows], x[rows]) for text in products]
        parts += [(check_transform(text, candidates, rows, np.asarray(x[rows])), within) for text in transforms]
        parts += [(flags[rows], within) for flags in shown]
        parts += [(_check_corrupted(text, candidates, rows), within) for text in corruptions]
        near, sound = (np.array([part[k] for part in parts]) for k in (0, 1))
        small[rows] = near.any(0)
        inside[rows] = np.where(small[rows], (near & sound).any(0), sound.any(0))  # of one and the same part
    return small, inside


def _check_corrupted(text: str, candidates: Candidates, rows: slice) -> Flags:
    x_adv, x = candidates.x_adv[rows], np.asarray(candidates.x[rows])
    return check_corrupted(text, candidates.bounds, x_adv, x, candidates.pictures)


def _find_tables(candidates: Candidates) -> list[str]:
    """Return the content of each table in the threat model; ValueError if one is missing."""
    words = [part for part in candidates.threat.split("+") if part.startswith("features:")]
    if missing := [word for word in words if word not in candidates.tables]:
        raise ValueError(f"the content of {missing[0]} is missing, by which rows are checked")
    return [candidates.tables[word] for word in words]


def flatten(x: NDArray[Any]) -> Floats:
    """Return x, (n, *features), as (n, features) in float64."""
    flat: Floats = x.reshape(len(x), -1).astype(np.float64)
    return flat


def row_chunks(n: int, size: int = 64) -> Iterator[slice]:
    """Yield slices of n rows, `size` at a time, since float64 takes twice the memory."""
    return (slice(start, start + size) for start in range(0, n, size))
