"""The bounds of inputs: rounding beyond them is clamped, all else is refused with advice. Numpy is not imported."""

import math
from typing import TYPE_CHECKING, NamedTuple

from robust.data.lazy_inputs import Inputs
from robust.data.remarks import Remarks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OVERSHOOT = 0.05  # of the range: less is what bicubic resampling adds, more is another scale
ROUNDING = 1e-6  # of the range: what float32 loses


class Bounds(NamedTuple):
    """The range that a data set declares."""

    lo: float
    hi: float


class OutsideError(ValueError):
    """Inputs are not of the declared shape, or leave the declared bounds."""

    def __init__(self, fault: str, bounds: Bounds, seen: tuple[float, float], part: str = "") -> None:
        """Say what is at fault, and what to do; `part` is the one of several inputs that is meant."""
        self.fault = fault
        low, high = map(float, seen)
        self.normalised, advice = _advise(bounds, low, high, f"{part}." if part else "")
        self.normalised = self.normalised and not part
        undo = "give the model's normalisation as --robust-normalize, or " if self.normalised else ""
        super().__init__(f"{fault}; {undo}{advice}" if advice else fault)

    def for_normalising_model(self) -> ValueError:
        """Return the error for a model that normalises its inputs itself, as --robust-normalize says."""
        if not self.normalised:
            return self
        return ValueError(
            f"{self.fault}; --robust-normalize makes the model normalise, so take the normalisation out of the data"
        )


def _advise(bounds: Bounds, low: float, high: float, of: str) -> tuple[bool, str]:
    """Return (whether inputs from `low` to `high` look normalised, advice); no advice if they are within the bounds.

    `of` stands before lo and hi where they are of one part of several, as in "meta.lo".
    """
    if bounds.lo <= low and high <= bounds.hi:
        return False, ""
    if not (math.isfinite(low) and math.isfinite(high)):
        return False, "fill in what is missing or infinite, or leave such samples out"
    lo, hi = min(math.floor(low), bounds.lo), max(math.ceil(high), bounds.hi)
    declare = f"declare their bounds, in whose units eps is, as :{of}lo={lo:g}:{of}hi={hi:g}"
    if max(bounds.lo - low, high - bounds.hi) < OVERSHOOT * (bounds.hi - bounds.lo):
        clamp = f"clamp them where they are read, as x.clip({bounds.lo:g}, {bounds.hi:g})"
        return False, f"resampling overshoots: {clamp}, or {declare}"
    divide = f"divide by {hi:g} where they are read, or " if (lo, *bounds) == (0, 0, 1) else ""
    return lo < 0, f"{divide}{declare}"


def advise_labels(low: int, high: int, classes: int | None, width: int) -> str:
    """Return advice on labels from `low` to `high` that are not from 0 to `width` - 1; `classes` are those declared."""
    if (low, high) == (-1, 1) and classes in (None, 2):
        return "; give -1 and 1 as 0 and 1, (y + 1) // 2"
    if low < 0:
        return f"; if they count from {low}, say so, as :first={low}; leave out samples without a class"
    if low == 1 and high == width:
        return f"; if they count from 1, say so, as :first=1; if {high} is the class 0, give y % {high}"
    return f"; if there are more classes, say so, as :classes={high + 1}"


class Clamped:
    """Inputs of which those that leave the bounds by rounding alone are moved onto them."""

    def __init__(self, source: Inputs, bounds: Bounds, remarks: Remarks) -> None:
        self._source = source
        self._bounds = bounds
        self._remarks = remarks

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, rows: "NDArray[np.int64]") -> "NDArray[np.float32]":
        x, (lo, hi) = self._source[rows], self._bounds
        over = max(lo - float(x.min()), float(x.max()) - hi) if x.size else 0.0
        if not 0 < over <= ROUNDING * (hi - lo):  # also for NaN
            return x
        self._remarks.note(f"values beyond {lo:g} to {hi:g} by {over:.1g}, as by rounding, are clamped")
        clamped: NDArray[np.float32] = x.clip(lo, hi)
        return clamped
