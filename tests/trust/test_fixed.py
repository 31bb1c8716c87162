"""Features that a user's attack leaves as they are: they are counted, and the project's attacks have none."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from robust.attacks.external.torchattacks import Answer
from robust.attacks.registry import ATTACKS
from robust.data.dataset import Samples
from robust.evaluation.measure import AttackResult
from robust.trust.fixed import MIN_INPUTS, count_fixed

N = 2 * MIN_INPUTS


@dataclass(frozen=True)
class Masked:
    """An attack that moves the first feature alone."""

    steps: ClassVar[int] = 1

    def init(self, task):
        return Answer(task.x, None)

    def step(self, task, state, k):
        x = task.x.clone()
        x[..., 0] += float(task.threat.eps)
        return Answer(x, task.logits(x))


@pytest.fixture(autouse=True)
def masked():
    with ATTACKS.adding("masked", Masked):
        yield


def samples(n=N):
    return Samples(np.full((n, 2, 3), 0.5, np.float32), np.zeros(n, np.int64), np.arange(n))


def result(moved, adversarial=N, n=N, by=0.1):
    """Return the result of an attack that moved these features, (2, 3), of the first inputs."""
    flags = np.arange(n) < adversarial
    x_adv = np.full((adversarial, 2, 3), 0.5, np.float32)
    x_adv[:, np.array(moved, bool)] += np.float32(by)
    return AttackResult("masked", {}, flags, x_adv, 0, np.zeros(n, np.int8), 0, 0, 0.0)


HALF, LAST, ALL = [[1, 1, 1], [0, 0, 0]], [[0, 0, 0], [0, 0, 1]], [[1] * 3] * 2


def test_features_that_no_input_moves_are_counted():
    assert count_fixed(["masked"], [result(HALF)], samples()) == 3
    assert count_fixed(["masked"], [result(ALL)], samples()) == 0
    assert count_fixed(["masked", "masked"], [result(HALF), result(LAST)], samples()) == 2
    assert count_fixed(["masked", "pgd"], [result(HALF), result(ALL)], samples()) == 0


def test_rounding_moves_nothing():
    assert count_fixed(["masked"], [result(ALL, by=5e-7)], samples()) == 6


def test_attacks_of_this_project_leave_nothing_as_it_is():
    assert count_fixed(["pgd", "square"], [result(HALF)] * 2, samples()) == 0


@pytest.mark.parametrize("adversarial", [0, MIN_INPUTS - 1])
def test_few_inputs_do_not_tell(adversarial):
    assert count_fixed(["masked"], [result(HALF, adversarial)], samples()) == 0


def test_results_on_other_samples_do_not_count():
    assert count_fixed(["masked"], [result(HALF), result(ALL, n=N + 1)], samples()) == 3


def test_the_first_ranks_inputs_alone_are_compared():
    without = replace(result(ALL), x_adv=np.zeros((0, 2, 3), np.float32))

    assert count_fixed(["masked"], [without], samples()) == 0
