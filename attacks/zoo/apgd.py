"""APGD, auto-PGD: Croce and Hein 2020 (2003.01690); for l1 the sparse steps and the shrinking radius of 2103.01208."""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.patch import PatchThreat
from robust.attacks.threats.pixels import PixelThreat
from robust.attacks.threats.product import Product
from robust.attacks.words import STEPPED

INERTIA = 0.75  # share of the new step in an update; the rest continues the last update
FIRST_WINDOW, MIN_WINDOW, WINDOW_DECREASE = 0.22, 0.06, 0.03  # shares of the steps
RADII = ((3, 0.3), (2, 0.3), (1, 0.4))  # for l1: (radius over eps, share of the steps with it)
L1_WINDOW = 0.04  # share of the steps between two checks
FROM_X = "loss=margin:start=0"  # a random start would choose among pixels that share the ball
L1_DECREASE, L1_MAX_DECREASE = 1.5, 10.0  # divisors of the step size: at a check, and in all


class APGDState(NamedTuple):
    """The state: the last iterate, the point to continue from, the best so far, and the step size with its counters."""

    x: Tensor
    logits: Tensor | None
    loss: Tensor  # (n,) at x
    point: Tensor  # (n, *features): x, or the best point after a check
    grad: Tensor  # at point
    before: Tensor  # the previous point
    best: Tensor  # (n, *features)
    best_grad: Tensor
    best_loss: Tensor  # (n,)
    checked: Tensor  # (n,): best_loss at the last check
    rises: Tensor  # (n,) int64: how often the loss has risen since then
    halved: Tensor  # (n,) bool: whether the last check halved the step size
    length: Tensor  # (n,): the step size
    active: Tensor  # (n,): for l1, the share of coordinates that a step moves
    nonzero: Tensor  # (n,): for l1, the share that the best point had moved at the last check


@ATTACKS.register("apgd")
@dataclass(frozen=True, slots=True)
class APGD:
    """Ascend with momentum; where the loss stalls, halve the step size and resume from the best point so far."""

    steps: int = 100
    loss: str | Loss = "ce"  # ce, margin, dlr or sice; of maps also segpgd, js, mask-ce, mask-ce-bal, mask-sph
    start: float = 1.0  # size of the random start, as a share of the ball; 0 starts at x
    rho: float = 0.75  # share of rising steps in a window below which the step size is halved
    families: ClassVar[tuple[str, ...]] = STEPPED
    maps: ClassVar[dict[str, str]] = {"linf": "", "l2": FROM_X, PRODUCT: FROM_X}

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 < self.rho < 1:
            raise ValueError(f"rho must be between 0 and 1, got {self.rho:g}")
        if not 0 <= self.start <= 1:
            raise ValueError(f"start, a share of the ball, must be from 0 to 1, got {self.start:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> APGDState:
        task = self._at_radius(task, 0)
        x = task.start(self.start)
        return self._start(task, x if task.origin is None else task.threat.project(x, task.x))

    def step(self, task: Task, state: APGDState, k: int) -> APGDState:
        radius, first, length = self._stage(task, k)
        task = self._at_radius(task, k)
        if radius and k == first:
            return self._start(task, task.threat.project(state.best, task.x))
        x = self._move_sparse(task, state) if task.threat.norm == "l1" else self._move(task, state, first=k == first)
        if k + 1 == self.steps:  # the gradient at the last iterate is not used
            return state._replace(x=x, logits=None)
        logits, loss, grad = task.ascent(x, self.loss)
        better = loss > state.best_loss
        state = state._replace(
            x=x,
            logits=logits,
            loss=loss,
            point=x,
            grad=grad,
            before=state.point,
            best=_pick(better, x, state.best),
            best_grad=_pick(better, grad, state.best_grad),
            best_loss=torch.where(better, loss, state.best_loss),
            rises=state.rises + (loss > state.loss),
        )
        if task.threat.norm == "l1":
            window = max(int(L1_WINDOW * length), 1)
            return self._check_sparse(task, state) if (k + 1 - first) % window == 0 else state
        window = checkpoints(self.steps).get(k + 1, 0)
        return self._check(state, window) if window else state

    def _stage(self, task: Task, k: int) -> tuple[int, int, int]:
        """Return (number, first step, length) of the stage of step k: for l1 one of RADII, else the only one."""
        if task.threat.norm != "l1":
            return 0, 0, self.steps
        ends = [round(self.steps * sum(share for _, share in RADII[: i + 1])) for i in range(len(RADII))]
        stage = next(i for i, end in enumerate(ends) if k < end or i == len(ends) - 1)
        first = ends[stage - 1] if stage else 0
        return stage, first, ends[stage] - first

    def _at_radius(self, task: Task, k: int) -> Task:
        """Return the task with the radius of step k."""
        if task.threat.norm != "l1":
            return task
        times = RADII[self._stage(task, k)[0]][0]
        widest = LpThreat.widest("l1", task.x, task.threat.lo, task.threat.hi)
        return replace(task, threat=replace(task.threat, eps=min(times * task.threat.eps, widest.eps)))

    def _start(self, task: Task, x: Tensor) -> APGDState:
        """Return the state of a stage that starts at x."""
        logits, loss, grad = task.ascent(x, self.loss)
        sparse = task.threat.norm == "l1"
        moved = _share_moved(task, x)
        start = task.origin is None and not sparse
        return APGDState(
            x=x,
            logits=logits,
            loss=loss,
            point=x,
            grad=grad,
            before=x,
            best=x,
            best_grad=grad,
            best_loss=loss,
            checked=loss,
            rises=torch.zeros_like(loss, dtype=torch.int64),
            halved=torch.ones_like(loss, dtype=torch.bool),
            length=torch.full_like(loss, (1.0 if sparse else 2.0) * float(task.threat.eps)),
            active=torch.full_like(moved, 0.2) if start else (moved / 1.5).clamp_min(1 / x[0].numel()),
            nonzero=moved,
        )

    def _move(self, task: Task, state: APGDState, first: bool) -> Tensor:
        """Return the next iterate for all but l1; the first step of a stage has no momentum, nor has any of l0."""
        point = state.point
        if isinstance(task.threat, Product | PatchThreat | PixelThreat):
            moved = task.threat.advance(point, state.grad, task.x, state.length, state.length / 2)
        else:
            moved = task.threat.step(point, state.grad, state.length)
        x = task.threat.project(moved, task.x)
        if first or isinstance(task.threat, PixelThreat):  # a mean of two choices of pixels is none
            return x
        return task.threat.project(point + INERTIA * (x - point) + (1 - INERTIA) * (point - state.before), task.x)

    def _move_sparse(self, task: Task, state: APGDState) -> Tensor:
        """Return the next iterate for l1."""
        moved = task.threat.sparse_step(state.point, state.grad, state.length, state.active)
        return task.threat.project(moved, task.x)

    def _check(self, state: APGDState, window: int) -> APGDState:
        """Halve the step size if the loss rose in few steps, or nothing was gained since a check that kept the size."""
        stalled = (state.checked >= state.best_loss) & ~state.halved
        halve = (state.rises <= self.rho * window) | stalled
        return state._replace(
            point=_pick(halve, state.best, state.point),
            grad=_pick(halve, state.best_grad, state.grad),
            length=torch.where(halve, state.length / 2, state.length),
            checked=state.best_loss,
            rises=torch.zeros_like(state.rises),
            halved=halve,
        )

    def _check_sparse(self, task: Task, state: APGDState) -> APGDState:
        """Restart the step size from the best point if that became sparser, else shorten the step."""
        nonzero = _share_moved(task, state.best)
        sparser = nonzero < 0.95 * state.nonzero
        longest = float(task.threat.eps)
        length = torch.where(sparser, torch.full_like(state.length, longest), state.length / L1_DECREASE)
        return state._replace(
            point=_pick(sparser, state.best, state.point),
            grad=_pick(sparser, state.best_grad, state.grad),
            length=length.clamp(longest / L1_MAX_DECREASE, longest),
            active=(nonzero / 1.5).clamp_min(1 / state.x[0].numel()),
            nonzero=nonzero,
        )


def checkpoints(steps: int) -> dict[int, int]:
    """Return the steps after which the step size is checked, each with the length of its window."""
    windows, at = {}, 0
    window, shortest, decrease = (max(int(share * steps), 1) for share in (FIRST_WINDOW, MIN_WINDOW, WINDOW_DECREASE))
    while (at := at + window) <= steps:
        windows[at] = window
        window = max(window - decrease, shortest)
    return windows


def _share_moved(task: Task, x: Tensor) -> Tensor:
    """Return the share of coordinates in which x differs from the clean input, (n,)."""
    far = (x - task.x).abs() > task.threat.negligible
    return far.flatten(1).to(x).mean(1)


def _pick(which: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return `a` for the samples in the mask `which`, (n,) bool, else `b`."""
    return torch.where(per_sample(which, a), a, b)
