"""Random answers over ranks, batches and resumed suites: verification decides, and each row is of its draws."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import Drawn, LpThreat
from robust.attacks.suite import Stage, Suite
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_attack, measure_clean
from robust.evaluation.suite_cache import SuiteInputs, suite_cache
from robust.evaluation.suite_run import SuiteRun
from robust.verification.candidates import Candidates
from robust.verification.check import ANSWERED_RIGHT, NOT_FINITE, check_labels, verify

BALL = LpThreat.parse("linf:0.1", lo=0, hi=1)
SURE, OPEN, LOST = 0.2, 0.5, 0.8  # the first feature, which is how often an answer is wrong


class Coin(nn.Module):
    """Answers to label 0 that are wrong with the probability of the first feature."""

    def forward(self, x):
        wrong = (torch.rand(len(x)) < x[:, 0]).float()
        return torch.stack([1 - wrong, wrong], 1) / (x[:, 1:] > 0)


def samples(*shares):
    x = np.array([[share, 1.0] for share in shares], np.float32)
    return Samples(x, np.zeros(len(x), np.int64), np.arange(len(x)))


def candidates(*shares, batch=7):
    x = np.array([[share, 1.0] for share in shares], np.float32)
    return Candidates(x, np.clip(x - 0.05, 0, 1), np.zeros(len(x), np.int64), "linf:0.1", (0.0, 1.0), batch, "class")


def test_verification_has_three_verdicts():
    found = verify(Drawn(Coin()), candidates(*[SURE] * 30, *[OPEN] * 30, *[LOST] * 30))

    assert (found.fault[:30] == ANSWERED_RIGHT).all()
    assert not found.fault[60:].any()
    assert not found.undecided[:30].any()
    assert not found.undecided[60:].any()
    assert found.undecided[30:60].sum() >= 25
    assert not found.fault[30:60][found.undecided[30:60]].any()
    assert found.near[30:60][found.undecided[30:60]].all()


def test_verdicts_near_one_half_may_be_others_the_next_time_and_are_explained():
    found = verify(Drawn(Coin()), candidates(*[0.4] * 60))

    assert (found.fault == ANSWERED_RIGHT).sum() > 30
    assert not found.wrong.any() or (found.wrong > 0).sum() < 10


def test_an_answer_that_is_not_finite_is_a_fault():
    inputs = candidates(SURE, LOST)
    inputs.x_adv[:, 1] = 0
    (fault,) = {*verify(Drawn(Coin()), replace(inputs, x=inputs.x_adv)).fault.tolist()}

    assert fault == NOT_FINITE


def test_labels_are_right_where_the_test_shows_it():
    given = samples(*[SURE] * 20, *[OPEN] * 20, *[LOST] * 20)
    right, near = check_labels(Drawn(Coin(), "majority:3"), given.x, given.y, 8)

    assert right[:20].all()
    assert not right[40:].any()
    assert near[20:40].sum() >= 18


def test_clean_answers_go_by_the_same_rule():
    given = samples(*[SURE] * 20, *[OPEN] * 20, *[LOST] * 20)
    clean = measure_clean(Drawn(Coin()), given, batcher=Batcher(9))

    assert clean.correct.tolist()[:20] == [True] * 20
    assert not clean.correct[40:].any()
    assert clean.undecided is not None
    assert clean.undecided[20:40].sum() >= 16
    assert not (clean.undecided & clean.correct).any()
    assert measure_clean(nn.Linear(2, 2), given).undecided is None


def test_an_attack_counts_what_verification_finds():
    given = samples(*[0.25] * 10, *[0.42] * 10)  # at most 0.35, and 0.52
    found = measure_attack(Drawn(Coin()), given, np.ones(20, bool), "noise:steps=40", BALL, RunOptions(Batcher(6)))

    assert found.undecided is not None
    assert found.adversarial[:10].sum() <= 1
    assert found.adversarial[10:].sum() >= 6
    assert not found.fault.any()
    assert not (found.undecided & ~found.adversarial).any()
    assert len(found.x_adv) == found.adversarial.sum()


@pytest.mark.parametrize("word", ["1", "majority:3", "mean:2"])
def test_a_suite_goes_on_from_its_cache_to_the_same_outcome(tmp_path, word):
    module, given, suite = Drawn(Coin(), word), samples(*[0.42] * 12), Suite("s", (Stage("noise:steps=10"),) * 2)
    correct = np.ones(12, bool)

    def run(drawn):
        cache = suite_cache(tmp_path, SuiteInputs(drawn, tmp_path / "no.py", given, correct, suite, (), BALL, seed=0))
        return cache, SuiteRun(drawn, given, suite, BALL, 2, RunOptions(Batcher(5)), cache=cache).run(correct)

    cache, first = run(module)
    again, second = run(module)
    other = suite_cache(
        tmp_path, SuiteInputs(Drawn(Coin(), "mean:9"), tmp_path / "no.py", given, correct, suite, (), BALL, seed=0)
    )

    assert cache.count() == 2
    assert again.folder == cache.folder != other.folder
    assert (first.adversarial == second.adversarial).all()
    assert (first.undecided == second.undecided).all()
