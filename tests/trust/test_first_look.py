"""The attack with mitigations is tried on few samples, and goes on where some fall, with the stages that did it."""

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from robust.evaluation.measure import AttackResult
from robust.trust.first_look import FirstLook, Hunt, attack_hardest_first
from robust.trust.mitigated_attack import MitigatedAttack
from robust.trust.pass_budget import PassBudget

N = 60
ATTACK = MitigatedAttack(nn.Identity(), blur=0.5, queries=1000)  # stages: two losses, the blur, queries


def first(mask, n):
    return mask & (np.cumsum(mask) <= n)


def make_hunt(weak_to, calls, counts=(8, 8, 6, 6)):
    """Make a hunt in which stage k breaks the samples weak_to[k], a set."""

    def run(mask, attack):
        calls.append((attack.chosen, int(mask.sum()), attack.short))
        fallen = np.array([mask[i] and any(i in weak_to.get(k, ()) for k in attack.chosen) for i in range(N)])
        x_adv = np.zeros((int(fallen.sum()), 1), np.float32)
        return AttackResult("", {}, fallen, x_adv, 0, np.zeros(N, np.int8), 1, 1, 0.1)

    look = FirstLook(replace(ATTACK, short=True), counts, (60, 60, 240, 250))
    return Hunt(run, first, look, np.ones(N, bool), np.zeros(N, bool))


@pytest.mark.parametrize(
    ("whole", "more", "tried"), [(False, [], 8), (True, [((0, 1), N - 8, False)], N)], ids=["a few", "all"]
)
def test_where_none_falls_it_ends_with_what_is_cheap(whole, more, tried):
    calls = []
    found, attacked = attack_hardest_first(make_hunt({}, calls), whole=whole)

    assert [stages for stages, *_ in calls[:4]] == [(0,), (1,), (2,), (3,)]
    assert all(short for *_, short in calls[:4])
    assert calls[4:] == more
    assert (found.adversarial.sum(), attacked) == (0, tried)


@pytest.mark.parametrize(("hints", "tried"), [(2, 8), (1, N)], ids=["by luck", "as others are known to fall"])
def test_a_single_sample_that_falls_counts_where_others_did(hints, tried):
    hunt = replace(make_hunt({0: {3, *range(20, N)}}, []), hints=hints)
    found, attacked = attack_hardest_first(hunt, whole=False)

    assert attacked == tried
    assert found.adversarial[20:].all() == (hints == 1)


def test_where_some_fall_what_broke_them_and_what_is_cheap_goes_on_with_all():
    calls = []
    found, tried = attack_hardest_first(make_hunt({0: {*range(0, N, 2)}}, calls), whole=False)

    assert calls[4] == ((0, 1), N - 4, False)
    assert [call[0] for call in calls[5:]] == [(2,), (3,)]  # on a few that are left
    assert {call[1] for call in calls[5:]} == {6}
    assert (found.adversarial.sum(), tried) == (N // 2, N)
    assert found.forwards == len(calls)


def test_a_stage_that_breaks_some_of_what_is_left_goes_on_too():
    calls = []
    weak_to = {0: {*range(30)}, 2: {*range(30, 45)}}
    found, _ = attack_hardest_first(make_hunt(weak_to, calls), whole=False)

    assert found.adversarial[:45].all()
    assert not found.adversarial[45:].any()
    assert calls[-2:] == [((2,), 24, False), ((3,), 6, True)]


@pytest.mark.parametrize(
    ("left", "counts", "short"),
    [
        (float("inf"), (32, 32, 32, 32), False),
        (6 * 1720, (32, 32, 6, 6), False),
        (4000, (16, 16, 6, 6), True),
        (0, (6, 6, 6, 6), True),
    ],
)
def test_each_stage_looks_at_as_many_samples_as_the_budget_allows(left, counts, short):
    budget = PassBudget(left)
    budget.release()  # the checks are over
    look = FirstLook.plan(ATTACK, ATTACK.model, budget, 60)

    assert (look.counts, look.attack.short) == (counts, short)


def test_no_more_samples_are_tried_than_are_left():
    assert FirstLook.plan(ATTACK, ATTACK.model, PassBudget(), 4).counts == (4, 4, 4, 4)
