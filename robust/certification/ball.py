"""The ball around each sample, within the bounds of the inputs, and the least value of affine functions in it."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks import LpThreat
from robust.attacks.threats.product import Product
from robust.certification.operators.operator import Interval, flat
from robust.certification.words import refuse_threat

# Relative, of the sums that make a bound, which float64 rounds at 1e-16 a term.
ROUNDING = 1e-9
MULTIPLIERS = 4  # tried for the l2 ball's edge


class Block(NamedTuple):
    """Numbers of an input that are within eps in a norm together: all of them, or one of several inputs."""

    place: slice
    norm: str
    eps: Tensor  # (b,), or (1,) where all are the same


@dataclass(frozen=True, slots=True)
class Ball:
    """The inputs within eps of x, (b, 1, *features) float64, in the norm of each block, and within the box."""

    blocks: tuple[Block, ...]
    x: Tensor
    box: Interval  # what each feature may be, the bounds of the inputs included

    @classmethod
    def around(cls, x: Tensor, threat: LpThreat | Product, radius: Tensor | None = None) -> "Ball":
        """Return the balls of a threat model around x, (b, *features), float64 for proofs.

        They are of its eps, or of one input each of its own `radius`, (b,). Of several inputs, a fixed part has no
        room. Raise NoBoundsError for a norm for which there are no bounds.
        """
        refuse_threat(str(threat))
        x = x.unsqueeze(1)
        if isinstance(threat, LpThreat):
            eps = _eps(x, threat) if radius is None else radius.to(x)
            return cls((Block(slice(None), threat.norm, eps),), x, _box(x, threat, eps).widen())
        assert radius is None
        lo, hi, blocks = x.clone(), x.clone(), []
        for name, place in threat.layout.places.items():
            ball = threat.balls.get(name)
            blocks.append(Block(place, ball.norm, _eps(x, ball)) if ball else Block(place, "linf", x.new_zeros(1)))
            if ball:
                lo[..., place], hi[..., place] = _box(x[..., place], ball, _eps(x, ball))
        return cls(tuple(blocks), x, Interval(lo, hi).widen())

    @property
    def has_l2(self) -> bool:
        """Whether a norm is l2, whose least value is not that over the box."""
        return any(block.norm == "l2" for block in self.blocks)

    def least(self, a: Tensor) -> Tensor:
        """Return the least value of <a, x'> over each ball, (b, k), for a, (b or 1, k, 1, *features)."""
        rows = flat(a, 2)
        ends = [flat(each, 1).unsqueeze(2) for each in (*self.box, self.x)]
        first, *others = (self._least_of(block, rows, *ends) for block in self.blocks)
        for other in others:
            first = first + other
        return first

    def _least_of(self, block: Block, rows: Tensor, lo: Tensor, hi: Tensor, x: Tensor) -> Tensor:
        """Return the least value over the numbers of a block, (b, k); lo, hi and x are (b, features, 1)."""
        rows, (lo, hi, x) = rows[:, :, block.place], (each[:, block.place] for each in (lo, hi, x))
        middle, reach = (lo + hi) / 2, (hi - lo) / 2
        size = rows.abs()
        at, off = (rows @ middle).squeeze(2), (size @ reach).squeeze(2)
        found = at - off
        if block.norm == "l2":
            found = torch.fmax(found, _least_in_l2(block.eps, rows, lo - x, hi - x) + (rows @ x).squeeze(2))
        return found - ROUNDING * (size @ (middle.abs() + reach)).squeeze(2)


def _eps(x: Tensor, threat: LpThreat) -> Tensor:
    """Return the eps of a threat model, (1,)."""
    return x.new_tensor([float(threat.eps)])


def _box(x: Tensor, threat: LpThreat, eps: Tensor) -> Interval:
    """Return what each number of x may be within eps and the bounds; x itself is in it, though it be outside."""
    reach = eps.view(-1, *[1] * (x.dim() - 1))
    return Interval((x - reach).clamp_min(threat.lo).minimum(x), (x + reach).clamp_max(threat.hi).maximum(x))


def _least_in_l2(eps: Tensor, rows: Tensor, lo: Tensor, hi: Tensor) -> Tensor:
    """Return a lower bound of <rows, d> over |d|_2 <= eps and lo <= d <= hi, (b, k); eps is (b,) or (1,).

    By the dual: for any m > 0 it is at least the sum of the least values of r d + m d^2 / 2, each in its range,
    less m eps^2 / 2. The best m is the one whose d are eps long; it is sought with those d that the range stops.
    """
    lo, hi, eps = lo.transpose(1, 2), hi.transpose(1, 2), eps.view(-1, 1, 1)
    if (nonzero := int((rows != 0).sum(2).amax())) < rows.shape[2] // 2:  # as where rows are of convolutions
        where = rows.abs().topk(max(nonzero, 1), dim=2, sorted=False).indices
        b = max(len(rows), len(lo))
        rows = rows.gather(2, where)
        where = where.expand(b, -1, -1)
        lo, hi = (each.expand(b, where.shape[1], -1).gather(2, where) for each in (lo, hi))
    tiny, squares = torch.finfo(rows.dtype).tiny, rows.square()
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
