"""Decision: RayS (2006.12792), then HopSkipJump (1904.02144) from what it has found; both use labels alone."""

from dataclasses import dataclass, replace
from typing import ClassVar

from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task
from robust.attacks.zoo.hopskipjump import HopSkipJump, HopState
from robust.attacks.zoo.rays import RayS, RaySState, nearest

RAYS = {"linf": 5000, "l2": 60}  # steps of RayS: in l2 it soon finds little more
# Chosen on Fashion-MNIST at 500 to 2,000 queries: more rounds of fewer points than the paper has find more.
ESTIMATES, GAMMA = 30, 20.0


@ATTACKS.register("decision")
@dataclass(frozen=True, slots=True)
class Decision:
    """Search along rays first, and then along the boundary from the nearest point on a ray; one query a step.

    Labels alone are used. By default a model that answers with nothing else is attacked so. For linf and l2.
    """

    steps: int = 5000  # queries of the model, at most
    maps: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)

    def init(self, task: Task) -> RaySState | HopState:
        """Return the first state, that of RayS. ValueError for l1."""
        if task.threat.norm not in RAYS:
            raise ValueError(f"decision is for {' and '.join(RAYS)}, the threat is {task.threat.norm}; use noise")
        return RayS(self.steps).init(task)

    def step(self, task: Task, state: RaySState | HopState, k: int) -> RaySState | HopState:
        hop = HopSkipJump(self.steps, estimates=ESTIMATES, gamma=GAMMA)
        if isinstance(state, HopState):
            return hop.step(task, state, k)
        if k < RAYS[task.threat.norm]:
            return RayS(self.steps).step(task, state, k)
        return hop.init(replace(task, origin=nearest(task, state)))
