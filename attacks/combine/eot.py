"""Expectation over transformation: "pgd:eot=20" for a random model (Athalye et al. 2018, 1707.07397)."""

from dataclasses import dataclass, replace
from typing import Any

from robust.attacks.engine import Attack
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task


@dataclass(frozen=True, slots=True)
class EOT:
    """Run `attack` with answers and gradients that are means over `eot` draws of a random model."""

    attack: Attack[Any]
    eot: int = 20  # answers of the model that each gradient and each loss is the mean of

    def __post_init__(self) -> None:
        check_at_least_1("eot, the number of draws,", self.eot)

    @property
    def steps(self) -> int:
        return self.attack.steps

    def init(self, task: Task) -> Any:
        return self.attack.init(replace(task, draws=self.eot))

    def step(self, task: Task, state: Any, k: int) -> Any:
        return self.attack.step(replace(task, draws=self.eot), state, k)
