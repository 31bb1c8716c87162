"""Result: the outcome of an attack, as a user's own test sees it, too."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust.evaluation.measure import AttackResult
from robust.flags import Flags
from robust.gates import Measured
from robust.records.corrupted import CORRUPTED, Corrupted, find_corrupted


@dataclass(frozen=True, slots=True)
class Result:
    """One attack on all samples that the model answers right. Accuracies are shares of all n samples."""

    threat: str  # "linf:8/255"
    correct: Flags  # (n,): answered right without an attack
    found: AttackResult  # inputs, cost and stages, as the attack left them

    @property
    def attack(self) -> str:
        """The attack as --robust-attack takes it: "pgd:steps=40"."""
        return self.found.attack

    @property
    def broken(self) -> Flags:
        """(n,): the samples that are answered right, and wrong for an input that the threat model allows."""
        return self.found.adversarial

    @property
    def robust(self) -> Flags:
        """(n,): the samples that are answered right, and not in `broken`."""
        return self.correct & ~self.found.adversarial

    @property
    def x_adv(self) -> NDArray[np.float32]:
        """(broken, *shape): the adversarial inputs, in the samples' order."""
        return self.found.x_adv

    @property
    def score(self) -> NDArray[np.float32] | None:
        """(n,): the score of the worst input found for each sample, as its error; None for a criterion without one."""
        return self.found.score

    @property
    def corrupted(self) -> Corrupted | None:
        """The answers to each corruption of each sample; None under other threat models."""
        found = self.found.corrupted
        return None if found is None else find_corrupted(self.threat, {CORRUPTED: found})

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.correct)

    @property
    def clean_accuracy(self) -> float:
        """The share of samples that are answered right, in [0, 1]."""
        return float(self.correct.mean())

    @property
    def accuracy(self) -> float:
        """The robust accuracy: the share of samples that are robust, in [0, 1]."""
        return float(self.robust.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of `accuracy`, in [0, 1]."""
        return self.measured.low, self.measured.high

    @property
    def measured(self) -> Measured:
        """The robust accuracy with its interval."""
        return Measured.of(int(self.robust.sum()), self.n)

    def __str__(self) -> str:
        stopped = f", stopped by the {self.found.partial}," if self.found.partial else ""
        return f"robust accuracy {self.measured} for {self.attack}{stopped} under {self.threat}"
