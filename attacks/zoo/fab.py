"""FAB, fast adaptive boundary attack: Croce and Hein 2020 (1907.02044)."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task
from robust.attacks.zoo._boundary import nearest_boundary

OVER_BOUNDARY = 1.05  # length of a step over the distance to the boundary
MAX_SHARE = 0.1  # the largest weight of the step from the clean input, beside that from the iterate
KEPT_DISTANCE = 0.9  # an iterate beyond the boundary keeps this share of its distance from x


class FABState(NamedTuple):
    """The state: the iterate, and the point to continue from."""

    x: Tensor
    logits: Tensor
    point: Tensor  # (n, *features): x, or a point nearer to the clean input if x is beyond the boundary


@ATTACKS.register("fab")
@dataclass(frozen=True, slots=True)
class FAB:
    """Step repeatedly to the linearised boundary, by the shortest way in the box and drawn towards the clean input.

    For every norm. With targets it is FAB-T: one gradient per step in place of one per candidate.
    """

    steps: int = 100
    start: float = 0.0  # size of the random start, as a share of the ball; restarts need one
    candidates: int = 9  # how many other classes, by their logits, are considered; each costs a gradient
    maps: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 <= self.start <= 1:
            raise ValueError(f"start, a share of the ball, must be from 0 to 1, got {self.start:g}")
        check_at_least_1("candidates", self.candidates)

    def init(self, task: Task) -> FABState:
        return self._query(task, task.start(self.start))

    def step(self, task: Task, state: FABState, k: int) -> FABState:
        gap, slope = nearest_boundary(task, state.point, state.logits, self.candidates)
        ahead = task.threat.to_plane(state.point, slope, gap) - state.point
        # The same plane, seen from the clean input.
        offset = (slope * (task.x - state.point)).flatten(1).sum(1)
        home = task.threat.to_plane(task.x, slope, gap - offset) - task.x
        share = self._share(task, ahead, home)
        x = (state.point + OVER_BOUNDARY * ahead).lerp(task.x + OVER_BOUNDARY * home, share)
        return self._query(task, x.clamp(task.threat.lo, task.threat.hi))

    def _share(self, task: Task, ahead: Tensor, home: Tensor) -> Tensor:
        """Return the weight of the step from the clean input, (n, 1, ...): larger if the other step is longer."""
        long, short = (task.threat.size(d, torch.zeros_like(d)).clamp_min(1e-8) for d in (ahead, home))
        return per_sample((long / (long + short)).clamp_max(MAX_SHARE), ahead)

    def _query(self, task: Task, x: Tensor) -> FABState:
        """Return the state at x, with the answer of the model."""
        logits = task.logits(x)
        wrong = per_sample(~task.criterion.accepts(logits, task.y), x)
        return FABState(x, logits, torch.where(wrong, task.x.lerp(x, KEPT_DISTANCE), x))
