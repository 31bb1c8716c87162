"""Random answers over several processes: each tests its own samples, and all know the verdicts."""

import numpy as np
import torch
from torch import nn

from robust.attacks import Drawn
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_attack, measure_clean
from tests.distributed.together import together

THREAT = read_threat("linf:0.1")


class Coin(nn.Module):
    """Answers to label 0 that are wrong with the probability of the first feature."""

    def forward(self, x):
        wrong = (torch.rand(len(x)) < x[:, 0]).float()
        return torch.stack([1 - wrong, wrong], 1)


def measured(ranks):
    shares = np.repeat(np.array([0.1, 0.37, 0.5, 0.9], np.float32), 6)
    samples = Samples(np.stack([shares, shares], 1), np.zeros(24, np.int64), np.arange(24))
    clean = measure_clean(Drawn(Coin()), samples, batcher=Batcher(5), ranks=ranks)
    options = RunOptions(Batcher(5), ranks=ranks)
    found = measure_attack(Drawn(Coin()), samples, shares < 0.4, "noise:steps=30", THREAT, options)
    return clean.correct.tolist(), clean.undecided.tolist(), found.adversarial.tolist(), found.undecided.tolist()


def test_all_know_what_each_has_tested():
    first, *others = together(2, measured)
    correct, undecided, adversarial, unsure = map(np.array, first)

    assert others == [first]
    assert correct[:6].all()
    assert not correct[18:].any()
    assert undecided[12:18].sum() >= 4
    assert not adversarial[:6].any()
    assert not (unsure & ~adversarial).any()
