"""The ball around each sample, within the bounds of the inputs, and the least value of affine functions in it."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from robust.attacks import LpThreat
from robust.certification.operators.operator import Interval, flat
from robust.certification.words import refuse_threat

# Relative, of the sums that make a bound, which float64 rounds at 1e-16 a term.
ROUNDING = 1e-9
MULTIPLIERS = 12  # tried for the l2 ball's edge


@dataclass(frozen=True, slots=True)
class Ball:
    """The inputs within eps of x, (b, 1, *features) float64, in a norm, and within the box."""

    norm: str
    eps: float
    x: Tensor
    box: Interval  # what each feature may be, the bounds of the inputs included

    @classmethod
    def around(cls, x: Tensor, threat: LpThreat) -> "Ball":
        """Return the balls of a threat model around x, (b, *features), float64 for proofs.

        Raise NoBoundsError for a norm for which there are no bounds.
        """
        refuse_threat(str(threat))
        x, eps = x.unsqueeze(1), float(threat.eps)
        box = Interval((x - eps).clamp_min(threat.lo).minimum(x), (x + eps).clamp_max(threat.hi).maximum(x))
        return cls(threat.norm, eps, x, box.widen())

    def __getitem__(self, which: slice) -> "Ball":
        """Return the balls of some samples."""
        return replace(self, x=self.x[which], box=Interval(self.box.lo[which], self.box.hi[which]))

    def least(self, a: Tensor) -> Tensor:
        """Return the least value of <a, x'> over each ball, (b, k), for a, (b or 1, k, 1, *features)."""
        rows = flat(a, 2)
        lo, hi, x = (flat(each, 1).unsqueeze(2) for each in (*self.box, self.x))
        middle, reach = (lo + hi) / 2, (hi - lo) / 2
        size = rows.abs()
        at, off = (rows @ middle).squeeze(2), (size @ reach).squeeze(2)
        found = at - off
        if self.norm == "l2":
            found = torch.fmax(found, self._least_in_l2(rows, lo - x, hi - x) + (rows @ x).squeeze(2))
        return found - ROUNDING * (size @ (middle.abs() + reach)).squeeze(2)

    def _least_in_l2(self, rows: Tensor, lo: Tensor, hi: Tensor) -> Tensor:
        """Return a lower bound of <rows, d> over |d|_2 <= eps and lo <= d <= hi, (b, k).

        By the dual: for any m > 0 it is at least the sum of the least values of r d + m d^2 / 2, each in its range,
        less m eps^2 / 2. That is concave in m, whose best value is sought by halving.
        """
        lo, hi = lo.transpose(1, 2), hi.transpose(1, 2)
        norm = rows.square().sum(2, keepdim=True).sqrt()
        tiny = torch.finfo(rows.dtype).tiny
        b = max(len(rows), len(lo))
        best = (-self.eps * norm).squeeze(2).expand(b, -1)
        upper = (norm / self.eps).clamp_min(tiny).expand(b, -1, 1)
        lower = upper * 1e-3
        for _ in range(MULTIPLIERS):
            m = (lower * upper).sqrt()
            d = torch.minimum(torch.maximum(-rows / m, lo), hi)
            length = d.square().sum(2, keepdim=True)
            value = (rows * d).sum(2, keepdim=True) + m / 2 * (length - self.eps**2)
            best = torch.fmax(best, value.squeeze(2))
            longer = length > self.eps**2
            lower, upper = torch.where(longer, m, lower), torch.where(longer, upper, m)
        return best


def largest(*shapes: tuple[int, ...]) -> int:
    """Return the number of values of the largest of these shapes."""
    return max(map(math.prod, shapes))
