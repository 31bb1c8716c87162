"""The ball around each sample, within the bounds of the inputs, and the least value of affine functions in it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from robust.attacks import LpThreat
from robust.certification.operators.operator import Interval, flat
from robust.certification.words import refuse_threat

# Relative, of the sums that make a bound, which float64 rounds at 1e-16 a term.
ROUNDING = 1e-9
MULTIPLIERS = 4  # tried for the l2 ball's edge


@dataclass(frozen=True, slots=True)
class Ball:
    """The inputs within eps of x, (b, 1, *features) float64, in a norm, and within the box."""

    norm: str
    eps: Tensor  # (b,), or (1,) where all are the same
    x: Tensor
    box: Interval  # what each feature may be, the bounds of the inputs included

    @classmethod
    def around(cls, x: Tensor, threat: LpThreat, radius: Tensor | None = None) -> "Ball":
        """Return the balls of a threat model around x, (b, *features), float64 for proofs.

        They are of its eps, or each of its own `radius`, (b,).

        Raise NoBoundsError for a norm for which there are no bounds.
        """
        refuse_threat(str(threat))
        eps = x.new_tensor([float(threat.eps)]) if radius is None else radius.to(x)
        x, reach = x.unsqueeze(1), eps.view(-1, *[1] * x.dim())
        box = Interval((x - reach).clamp_min(threat.lo).minimum(x), (x + reach).clamp_max(threat.hi).maximum(x))
        return cls(threat.norm, eps, x, box.widen())

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
        less m eps^2 / 2. The best m is the one whose d are eps long; it is sought with those d that the range stops.
        """
        lo, hi = lo.transpose(1, 2), hi.transpose(1, 2)
        if (nonzero := int((rows != 0).sum(2).amax())) < rows.shape[2] // 2:  # as where rows are of convolutions
            where = rows.abs().topk(max(nonzero, 1), dim=2, sorted=False).indices
            b = max(len(rows), len(lo))
            rows = rows.gather(2, where)
            where = where.expand(b, -1, -1)
            lo, hi = (each.expand(b, where.shape[1], -1).gather(2, where) for each in (lo, hi))
        tiny, squares, eps = torch.finfo(rows.dtype).tiny, rows.square(), self.eps.view(-1, 1, 1)
        m = (squares.sum(2, keepdim=True).sqrt() / eps).clamp_min(tiny)
        best = (-(eps**2) * m).squeeze(2)
        for _ in range(MULTIPLIERS):
            wanted = -rows / m
            d = torch.minimum(torch.maximum(wanted, lo), hi)
            length = d.square().sum(2, keepdim=True)
            value = (rows * d).sum(2, keepdim=True) + m / 2 * (length - eps**2)
            best = torch.fmax(best, value.squeeze(2))
            free = d == wanted
            left = eps**2 - length + (d.square() * free).sum(2, keepdim=True)
            m = ((squares * free).sum(2, keepdim=True) / left.clamp_min(tiny)).sqrt().clamp_min(tiny)
        return best
