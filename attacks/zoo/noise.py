"""Random noise: a baseline that every attack should beat."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task
from robust.attacks.words import EACH


class NoiseState(NamedTuple):
    """The state: the last draw; the driver queries the model."""

    x: Tensor
    logits: None


@ATTACKS.register("noise")
@dataclass(frozen=True, slots=True)
class Noise:
    """Draw `steps` points uniformly from the threat model; no gradient is needed."""

    steps: int = 100
    families: ClassVar[tuple[str, ...]] = EACH

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)

    def init(self, task: Task) -> NoiseState:
        return NoiseState(task.start(0.0), None)

    def step(self, task: Task, state: NoiseState, k: int) -> NoiseState:
        return NoiseState(task.fold(k).start(), None)
