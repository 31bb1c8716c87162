"""FAB, fast adaptive boundary attack: Croce and Hein 2020 (1907.02044)."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task
from robust.attacks.zoo._boundary import nearest_boundary

BEYOND = 1.05  # how far over the boundary a step leads, as a share of the way to it
MAX_SHARE = 0.1  # how much at most the way from x counts, beside that from the iterate
BACK = 0.9  # of its distance from x keeps an iterate that is over the boundary


class FABState(NamedTuple):
    """The state: the iterate, and the point to go on from."""

    x: Tensor
    logits: Tensor
    point: Tensor  # (n, *features): x, or where that is over the boundary a point nearer to the clean input


@ATTACKS.register("fab")
@dataclass(frozen=True, slots=True)
class FAB:
    """To the linearised boundary, the shortest way within the box, again and again, drawn towards the clean input.

    For every norm. With targets it is FAB-T, one gradient a step in place of one for each candidate.
    """

    steps: int = 100
    start: float = 0.0  # size of the random start, as a share of the ball; restarts need one
    candidates: int = 9  # how many other classes, the likeliest, are looked at; each costs a gradient

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 <= self.start <= 1:
            raise ValueError(f"start, a share of the ball, must be from 0 to 1, got {self.start:g}")
        check_at_least_1("candidates", self.candidates)

    def init(self, task: Task) -> FABState:
        return self._judged(task, task.start(self.start))

    def step(self, task: Task, state: FABState, k: int) -> FABState:
        gap, slope = nearest_boundary(task, state.point, state.logits, self.candidates)
        ahead = task.threat.to_plane(state.point, slope, gap) - state.point
        # The same plane as seen from the clean input.
        way = (slope * (task.x - state.point)).flatten(1).sum(1)
        home = task.threat.to_plane(task.x, slope, gap - way) - task.x
        share = self._share(task, ahead, home)
        x = (state.point + BEYOND * ahead).lerp(task.x + BEYOND * home, share)
        return self._judged(task, x.clamp(task.threat.lo, task.threat.hi))

    def _share(self, task: Task, ahead: Tensor, home: Tensor) -> Tensor:
        """How much the way from the clean input counts, (n, 1, ...): the more, the longer the other way is."""
        long, short = (task.threat.size(d, torch.zeros_like(d)).clamp_min(1e-8) for d in (ahead, home))
        return per_sample((long / (long + short)).clamp_max(MAX_SHARE), ahead)

    def _judged(self, task: Task, x: Tensor) -> FABState:
        logits = task.logits(x)
        wrong = per_sample(~task.criterion.accepts(logits, task.y), x)
        return FABState(x, logits, torch.where(wrong, task.x.lerp(x, BACK), x))
