"""Corners: random points of a ball, of which most values lie at an end of their range. For inputs of few values."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.task import Task

EDGE = 0.6  # the share of the values at an end of their range


class CornersState(NamedTuple):
    """The state: the last draw; the driver queries the model."""

    x: Tensor
    logits: None = None


@dataclass(frozen=True, slots=True)
class Corners:
    """Draw `steps` points of an linf ball, each value uniformly or, with a probability of 0.6, from the range's ends.

    In few dimensions gradients lead to a few corners again and again, while what is nearest may lie in a small part of
    the ball elsewhere. Such a part mostly touches the ball's faces, which uniform draws hardly come near.
    """

    steps: int

    def init(self, task: Task) -> CornersState:
        return CornersState(_draw(task))

    def step(self, task: Task, state: CornersState, k: int) -> CornersState:
        return CornersState(_draw(task.fold(k)))


def _draw(task: Task) -> Tensor:
    drawn = task.threat.sample(task.x, task.rng.fold(0))
    far = task.threat.step(drawn, drawn - task.x, 2 * (task.threat.hi - task.threat.lo))
    is_edge = task.rng.fold(1).uniform(task.x) < EDGE
    return torch.where(is_edge, task.threat.project(far, task.x), drawn)
