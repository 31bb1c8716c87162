"""grid: every point of a grid of transforms, as Engstrom et al. 2019 (1712.02779)."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import torch
from torch import Tensor

from robust.attacks.grammar.spatial import SPATIAL
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task
from robust.attacks.threats.transform import Lifted


class GridState(NamedTuple):
    """The state: the point of this step, of the best of which the answers were asked."""

    x: Tensor
    logits: None
    done: Tensor  # (n,) bool: the grid has no further point


@ATTACKS.register("grid")
@dataclass(frozen=True, slots=True)
class Grid:
    """Ask the model for the transforms of an even grid of at most `steps` points; no gradient is needed.

    Of turning and moving, 775 points are 31 angles and 5 ways along each axis, the grid of the paper.
    """

    steps: int = 775
    families: ClassVar[tuple[str, ...]] = (SPATIAL,)

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)

    def init(self, task: Task) -> GridState:
        return GridState(task.x, None, torch.zeros(len(task.x), dtype=torch.bool, device=task.x.device))

    def step(self, task: Task, state: GridState, k: int) -> GridState:
        lifted = cast(Lifted, task.threat)
        points = lifted.transform.grid(self.steps)
        x = lifted.put(task.x, points[min(k, len(points) - 1)])
        return GridState(x, None, torch.full_like(state.done, k + 1 >= len(points)))
