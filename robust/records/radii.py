"""Certified radii: how large a ball around each sample is proved to hold no wrong answer, and their JSON. No torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMN = "certified"


@dataclass(frozen=True, slots=True)
class Radii:
    """The certified radii of n samples: a lower bound of the distance to the nearest wrong answer."""

    method: str  # the dearest that was asked: "crown"
    radius: NDArray[np.float32]  # (n,): 0 where x itself is answered wrong, and where nothing is proved
    seconds: float
    partial: str = ""  # why the search ended early, so that more may be proved

    @property
    def outcome(self) -> tuple[object, ...]:
        """Return what two of the same must agree in."""
        return self.method, self.radius.tobytes(), self.partial

    @property
    def median(self) -> float:
        """The largest radius within which more than half of the samples are proved to be answered right."""
        return float(np.sort(self.radius)[(len(self.radius) - 1) // 2])


def round_down(radius: NDArray[np.float64], kept: Iterable[float]) -> NDArray[np.float32]:
    """Return radii as they are stored, none larger than it was but those of `kept`: what was proved there stays so."""
    stored = radius.astype(np.float32)
    above = stored > radius
    stored[above] = np.nextafter(stored[above], np.float32(0))
    for eps in kept:
        stored[(radius >= eps) & (stored < np.float32(eps))] = np.float32(eps)
    return stored


def radii_to_json(radii: Radii) -> dict[str, Any]:
    """Return what JSON holds of the radii beside their column."""
    partial = {"partial": radii.partial} if radii.partial else {}
    return {"method": radii.method, "seconds": round(radii.seconds, 3), **partial}


def radii_from_json(content: dict[str, Any], columns: dict[str, Any], distance: NDArray[np.float32]) -> Radii:
    """Make the radii of n samples from their JSON and the columns of their curve; ValueError if they are damaged.

    `distance` is that of the curve, (n,): 0 where x itself is answered wrong.
    """
    radius = columns.get(COLUMN)
    if radius is None or radius.dtype != np.float32 or radius.shape != distance.shape or not (radius >= 0).all():
        raise ValueError(f"not a record: its curve lacks the column {COLUMN!r}, a number for each sample")
    if not np.isfinite(radius).all() or ((radius > 0) & (distance == 0)).any():
        raise ValueError("its parts do not agree: a certified radius of a sample that is answered wrong, or no number")
    return Radii(content["method"], radius.astype(np.float32), content["seconds"], content.get("partial", ""))
