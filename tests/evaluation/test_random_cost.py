"""The cost of attacks on a model that answers at random: told before, and what they take."""

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import Drawn
from robust.attacks.factory import make, no_models
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_attack
from robust.evaluation.random_cost import count_random_passes, describe_random_cost

N = 12
SAMPLES = Samples(np.full((N, 16), 0.5, np.float32), np.zeros(N, np.int64), np.arange(N))


class Sure(nn.Module):
    """Answers with label 0 and noise that never changes it."""

    def forward(self, x):
        z = x.mean(1) + 0.01 * torch.randn(len(x))
        return torch.stack([z + 9, -z], 1)


@pytest.mark.parametrize("threat", ["linf:0.1", "linf:0.1+l2:0.2"])
@pytest.mark.parametrize("attack", ["pgd:steps=6", "pgd:steps=4:restarts=2", "noise:steps=6", "square:steps=6", "fgsm"])
def test_what_is_told_is_the_most_that_a_robust_sample_takes_beside_the_test_of_its_clean_answer(attack, threat):
    read = read_threat(threat)
    found = measure_attack(Drawn(Sure()), SAMPLES, np.ones(N, bool), attack, read, RunOptions(Batcher(5)))
    told = count_random_passes([(attack, read), (attack, None)], no_models)
    spent = (found.forwards + 2 * found.backwards) / N - 20  # of the clean answer: ten draws, and a test of ten

    assert not found.adversarial.any()
    assert 0.5 * told <= spent <= told
    assert count_random_passes([(make(attack), read)], no_models) >= told


def test_the_cost_in_words():
    line = describe_random_cost("mean:10", 4200, 50, pace=0.001)

    assert line.startswith(
        "50 samples, at most about 4,200 passes of each and about 21 s, beside the tests; each step of an"
    )
    assert line.endswith("each test 10 to 640 answers of 10 draws")
