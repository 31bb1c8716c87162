"""The slopes of the margin between two points, and the gradients that should predict them.

Stochastic gradient checking: a gradient g is held to central differences along random directions d, where
(f(x + h d) - f(x - h d)) / 2h must be <g, d>. The step h is so short that a sound network is smooth there.
"""

import copy
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from robust.attacks.criteria.classification import CLASS
from robust.attacks.engine import eval_mode
from robust.attacks.task import Model, Task
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.product import Product

DIRECTIONS, FIRST_DIRECTIONS = 8, 2
MIN_FLAT = 2  # of them, along which a model that rounds is constant; a smooth one is so by chance along none
FINE = 1e-6  # of the inputs' range, in float64; 1e-3 in float32
FINE_FLOAT32 = 1e-3
RETRY = 1 / 64  # of the step: a shorter one seldom has the kink of the first between its ends
COARSE = 0.25  # of the ball
ROUGH = 2  # times the error of coarse slopes; a wrong gradient has about the same along all steps
PROBED = 2  # inputs that show whether a copy computes in float64
ROUNDING = 64  # units in the last place of the largest logit, for the sums of a deep network
DIRECTION_STREAM = 0xD1  # number of its stream of random numbers


class Slopes(NamedTuple):
    """The relative errors of the gradients at n points, from 0 to 1 or above, on the CPU."""

    fine: Tensor  # (n,): of a step that is as short as rounding allows
    coarse: Tensor  # (n,): of a step that is a share of the ball
    flat: Tensor  # (n,) bool: the model rounds: it is constant along fine steps, though its gradient is not 0
    still: Tensor  # (n,) bool: it is constant along them, and its gradient is 0

    @classmethod
    def join(cls, parts: Sequence["Slopes"]) -> "Slopes":
        """Join those of several batches."""
        return cls(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def replace(self, which: Tensor, others: "Slopes") -> "Slopes":
        """Return these with those that are marked, (n,) bool, replaced by others."""
        return Slopes(*(old.masked_scatter(which, new) for old, new in zip(self, others, strict=True)))

    @property
    def error(self) -> Tensor:
        """The relative errors that count, (n,): of coarse steps where the model is flat along the fine ones."""
        return torch.where(self.flat, self.coarse, self.fine)

    def wrong(self, max_fine: float, max_coarse: float) -> Tensor:
        """Mark the gradients that are wrong, (n,) bool: each kind of step has its limit."""
        return self.error > torch.where(self.flat, max_coarse, max_fine)


def measure_slopes(
    task: Task, module: nn.Module, wrap: Callable[[nn.Module], nn.Module] | None = None, *, hasty: bool = False
) -> Slopes:
    """Compare the gradient of the margin with its slopes, at a random point of the ball for each sample.

    It takes 4 DIRECTIONS + 2 forward passes and one backward pass of each sample, and 2 DIRECTIONS more where the first
    step had a kink. The gradient is that of `wrap(module)`, which has the answers of `module`; by default of `module`.
    In haste it takes 2 FIRST_DIRECTIONS + 2: then only a small error along fine steps tells anything.
    """
    exact = copy_in_float64(module, task.x)
    dtype = torch.float32 if exact is None else torch.float64
    model = module if exact is None else exact.eval()
    x = task.start(1.0).to(dtype)
    h = (FINE_FLOAT32 if exact is None else FINE) * (task.threat.hi - task.threat.lo)
    margin = _choose_margin(model, x, task)
    grad, size = _differentiate(wrap(model) if wrap else model, x, margin)
    directions = [_draw_direction(task, x, k) for k in range(FIRST_DIRECTIONS if hasty else DIRECTIONS)]
    predicted = torch.stack([(grad * d).flatten(1).sum(1) for d in directions], 1)

    def compare(step: float) -> tuple[Tensor, Tensor, Tensor]:
        measured = torch.stack([_slope(model, x, d, step, margin) for d in directions], 1)
        noise = ROUNDING * torch.finfo(dtype).eps * size / step
        # Constant but for rounding, as x + (rounded - x).detach() is; of many values some pass an edge all the same.
        constant = measured.abs() <= noise
        flat, still = ((constant & which).sum(1) >= MIN_FLAT for which in (predicted.abs() > noise, predicted == 0))
        return _relative_error(measured, predicted, noise), flat, still

    fine, flat, still = (part.cpu() for part in compare(h))
    if hasty:
        return Slopes(fine, fine, flat, still & ~flat)
    if exact is not None and bool((fine > 0.01).any()):
        shorter = compare(h * RETRY)
        fine, flat, still = torch.minimum(fine, shorter[0]), flat | shorter[1], still | shorter[2]
    coarse, *_ = compare(COARSE * reach(task.threat, x))
    if exact is None:  # it may compute in half precision, of which short steps show nothing but rounding
        flat = flat | (fine > ROUGH * coarse)
    return Slopes(*(part.cpu() for part in (fine, coarse, flat, still & ~flat)))


def copy_in_float64(module: nn.Module, x: Tensor) -> nn.Module | None:
    """Return a copy of the module that computes in float64; None if there is none, or it rounds to fewer digits.

    x is some inputs, (n, *features).
    """
    if x.device.type == "mps":  # which knows no float64
        return None
    try:
        double = copy.deepcopy(module).double()
        with eval_mode(double), torch.enable_grad():
            leaf = x[:PROBED].double().requires_grad_()
            answer = double(leaf.clone())
            if answer.requires_grad:
                torch.autograd.grad(answer.sum(), leaf, allow_unused=True)
    except Exception:  # a user's code may raise anything: then it works in float32 alone
        return None
    return double if answer.dtype == torch.float64 and not answer.equal(answer.float().double()) else None


def _choose_margin(model: Model, x: Tensor, task: Task) -> Callable[[Tensor], Tensor]:
    """Return the function that takes logits to the lead of a class over the label: the highest other class at x.

    Of another criterion it is the margin towards the most promising target at x.
    """
    y, criterion = task.y, task.criterion
    with torch.no_grad():
        logits = model(x.clone())
    if criterion != CLASS:
        target = criterion.ranked_targets(logits, y)[:, 0]
        return lambda logits: criterion.loss("margin", logits, y, target)
    other = logits.scatter(1, y[:, None], -torch.inf).argmax(1)[:, None]
    return lambda logits: (logits.gather(1, other) - logits.gather(1, y[:, None]))[:, 0]


def _differentiate(model: Model, x: Tensor, margin: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return the gradient of the margin, (n, *features), and the size of the largest logit, (n, 1)."""
    with torch.enable_grad():
        leaf = x.clone().requires_grad_()
        logits = model(leaf.clone())
        value = margin(logits).sum()
        grad = torch.autograd.grad(value, leaf, allow_unused=True)[0] if value.requires_grad else None
    size = logits.detach().abs().flatten(1).amax(1, keepdim=True)
    return (torch.zeros_like(x) if grad is None else grad.nan_to_num(0.0)), size


def _draw_direction(task: Task, x: Tensor, k: int) -> Tensor:
    """Draw the signs of direction k, (n, *features): each sample draws its own, whatever its batch."""
    return task.rng.fold(DIRECTION_STREAM).fold(k).normal(task.x).sign().to(x) * weigh(task.threat, x)


def _slope(model: Model, x: Tensor, d: Tensor, step: float, margin: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the central difference of the margin along d, (n,)."""
    with torch.no_grad():
        return (margin(model(x + step * d)) - margin(model(x - step * d))) / (2 * step)


def _relative_error(measured: Tensor, predicted: Tensor, noise: Tensor) -> Tensor:
    """Return the distance of the two, (n, k), beyond what rounding explains, over the length of the longer, (n,)."""
    distance = ((measured - predicted).abs() - noise).clamp_min(0).norm(dim=1)
    length = torch.maximum(measured.norm(dim=1), predicted.norm(dim=1))
    error = torch.where(distance == 0, 0.0, distance / length)
    return torch.where(error.isfinite(), error, 1.0)


def weigh(threat: LpThreat | Product, x: Tensor) -> Tensor:
    """Return how far each number of a direction goes beside those that go furthest; of several inputs some stay."""
    if isinstance(threat, Product):
        return (threat.reaches / threat.reaches.max()).to(x)
    return x.new_ones(())


def reach(threat: LpThreat | Product, x: Tensor) -> float:
    """Return the step along signs at which they reach the edge of the ball."""
    if isinstance(threat, Product):
        return float(threat.reaches.max())
    features = x[0].numel()
    scale: dict[str, float] = {"linf": 1.0, "l2": math.sqrt(features), "l1": float(features)}
    return float(threat.eps) / scale[threat.norm]
