"""Trials of a rung: which samples they hold, and when one has paid."""

import numpy as np

from robust.evaluation.trial import LEAST, deal, has_paid


def test_trials_hold_every_sample_once_and_double():
    rows = np.random.default_rng(0).permutation(1000) + 7
    trials = [*deal(rows)]

    assert [len(each) for each in trials] == [20, 40, 80, 160, 320, 380]
    assert (np.sort(np.concatenate(trials)) == np.arange(1000) + 7).all()
    for trial in trials:  # spread over all: samples may be sorted by class
        assert np.histogram(trial, 10, (7, 1007))[0].min() >= len(trial) // 20


def test_trials_depend_on_the_samples_alone():
    rows = np.arange(50)
    shared = np.concatenate([rows[k::3] for k in range(3)])

    assert [each.tolist() for each in deal(shared)] == [each.tolist() for each in deal(rows)]
    assert len(next(deal(rows))) == LEAST
    assert not [*deal(rows[:0])]


def test_a_trial_pays_up_to_its_price():
    assert has_paid([(1, 900), (2, 2100)], 1000)
    assert not has_paid([(1, 901), (2, 2100)], 1000)
    assert not has_paid([(0, 0)], 1000)
