"""PGD, projected gradient descent: Madry et al. 2018 (1706.06083); cycles end early as in 2503.19347."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.families import BOUND
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.threats.patch import PatchThreat
from robust.attacks.threats.pixels import PixelThreat
from robust.attacks.threats.product import Product
from robust.attacks.words import STEPPED

FROM_X = "loss=margin:start=0"  # a random start would choose among pixels that share the ball
FIRST_CYCLE = 8  # steps; hardly any sample cycles earlier, so short attacks, as in training, need not check

# The integer types of as many bits.
INTEGERS = {
    torch.float32: torch.int32,
    torch.float64: torch.int64,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}


class PGDState(NamedTuple):
    """The state: the iterate, and the fingerprints of the moves so far."""

    x: Tensor
    logits: Tensor | None
    grad: Tensor
    seen: Tensor | None  # (n, moves) int64: the fingerprints; None where steps cannot cycle
    done: Tensor | None  # (n,) bool: in a cycle, so that further steps repeat; likewise


@ATTACKS.register("pgd")
@dataclass(frozen=True, slots=True)
class PGD:
    """Take `steps` steps of `stride` eps along the steepest ascent of the loss from a random start, each projected.

    With `last` the steps shrink along half a cosine to that length. Without it, for linf, an iterate determines all
    later ones, so a sample that returns to an earlier iterate is done.

    For l1, also of one of several inputs, a step goes the share `stride` of the way to the corner of the ball and the
    box to which the gradient points; the first steps go further, the very first all the way (Frank and Wolfe 1956; Chen
    et al. 2020, 1811.10828). A projection would spread the gain of a step over less useful coordinates, and do worse
    than one step of the full eps.

    For a patch a step moves all values of its window, and the window itself to where that gains more.
    For pixels (l0) a step exchanges the same share of them for others, those that the gradient says gain more.
    """

    steps: int = 40
    stride: float = 0.25  # length of a step, as a share of eps
    start: float = 1.0  # size of the random start, as a share of the ball; 0 starts at x
    loss: str | Loss = "ce"  # ce, margin, dlr or sice; of maps also segpgd, js, mask-ce, mask-ce-bal, mask-sph
    last: float | None = None  # length of the last step, as a share of eps; None: `stride`
    families: ClassVar[tuple[str, ...]] = STEPPED
    maps: ClassVar[dict[str, str]] = {
        **dict.fromkeys(STEPPED, BOUND),
        **{"linf": "", PIXELS: "", "l2": FROM_X},
        "l1": f"{FROM_X}:stride=1:last=0.001:steps=1000",
        PRODUCT: f"{FROM_X}:stride=1:last=0.01",
    }

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if self.stride <= 0:
            raise ValueError(f"stride, a share of eps, must be above 0, got {self.stride:g}")
        if self.last is not None and self.last <= 0:
            raise ValueError(f"last, a share of eps, must be above 0, got {self.last:g}")
        if not 0 <= self.start <= 1:
            raise ValueError(f"start, a share of the ball, must be from 0 to 1, got {self.start:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> PGDState:
        x = task.start(self.start)
        logits, _, grad = task.ascent(x, self.loss)
        if self.last is not None or task.threat.norm != "linf":
            return PGDState(x, logits, grad, None, None)
        none = torch.zeros(len(x), 0, dtype=torch.int64, device=x.device)
        return PGDState(x, logits, grad, none, torch.zeros(len(x), dtype=torch.bool, device=x.device))

    def step(self, task: Task, state: PGDState, k: int) -> PGDState:
        eps = float(task.threat.eps)
        if task.threat.norm == "l1":
            corner = task.threat.step(task.x, state.grad, eps)
            share = max(self._stride(k), 2 / (k + 2))  # Frank and Wolfe's, but no less than `stride`
            x = state.x.lerp(corner, min(1.0, share))
        elif isinstance(task.threat, Product | PatchThreat | PixelThreat):
            x = task.threat.advance(state.x, state.grad, task.x, self._stride(k), max(self._stride(k), 2 / (k + 2)))
        else:
            x = task.threat.step(state.x, state.grad, self._stride(k) * eps)
        seen, done = state.seen, state.done
        if k >= FIRST_CYCLE and seen is not None:
            # Before the projection: a random model may give another gradient at the same iterate.
            mark = fingerprint(x)[:, None]
            seen, done = torch.cat((seen, mark), 1), (seen == mark).any(1)
        x = task.threat.project(x, task.x)
        if k + 1 == self.steps:  # the gradient at the last iterate is not used
            return PGDState(x, None, state.grad, seen, done)
        logits, _, grad = task.ascent(x, self.loss)
        return PGDState(x, logits, grad, seen, done)

    def _stride(self, k: int) -> float:
        """Return the length of step k, as a share of eps."""
        if self.last is None or self.steps == 1:
            return self.stride
        return self.last + (self.stride - self.last) * (1 + math.cos(math.pi * k / (self.steps - 1))) / 2


def fingerprint(x: Tensor) -> Tensor:
    """Return a hash of each input, (N,) int64: equal for equal bits, and for others with a chance of about 2**-40."""
    bits = x.flatten(1).view(INTEGERS[x.dtype])
    return (bits * _keys(bits.shape[1], x.device)).sum(1)


@lru_cache(8)  # they take as long as the answers of a small model to a few inputs
def _keys(features: int, device: torch.device) -> Tensor:
    """Return odd numbers, (features,) int64, that look random."""
    return (Rng.of(0, torch.arange(features, device=device)).key | 1).to(device)
