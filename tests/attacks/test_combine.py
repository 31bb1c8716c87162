"""Attacks made of attacks."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from robust.attacks import PGD, LpThreat, Task, assail, make
from robust.attacks.combine.bestof import BestOf
from robust.attacks.combine.bpda import BPDA
from robust.attacks.combine.eot import EOT
from robust.attacks.combine.odi import Diversified
from robust.attacks.combine.restarts import Restarts
from robust.attacks.combine.targets import Targets
from robust.attacks.combine.transfer import Transfer
from robust.attacks.combine.worst_of_draws import WorstOfDraws
from robust.attacks.engine import rounds_of
from robust.attacks.factory import describe
from robust.attacks.rng import Rng, seeded
from robust.attacks.zoo.apgd import APGD
from robust.attacks.zoo.fgsm import FGSM
from robust.evaluation.measure import options_of
from robust.models.weights import hash_weights
from tests.attacks.models import inputs, network

LINF = LpThreat.parse("linf:1/20")
# What needs a certain model, and all at once; the others keep the whole contract, in test_contract.py.
ALL = [
    BPDA(PGD(steps=3), "2"),
    Transfer(PGD(steps=3), network()),
    Restarts(Targets(Diversified(APGD(steps=5), 2), 3), 2),
    WorstOfDraws(PGD(steps=3)),
]


def case(n=40):
    model, x = network(), inputs(n)
    return model, x, model(x).argmax(1)


def task(model, x, y, threat=LINF):
    return Task.of(model, x, y, threat, Rng.of(0, torch.arange(len(x))))


@pytest.mark.parametrize("attack", ALL, ids=describe)
def test_what_is_found_is_admitted_and_does_not_depend_on_the_batch(attack):
    model, x, y = case()
    whole = assail(model, attack, x, y, LINF)
    parts = [
        assail(model, attack, x[rows], y[rows], LINF, seed=Rng.of(0, rows)).adversarial
        for rows in torch.arange(len(x)).split(7)
    ]

    assert 0 < whole.adversarial.sum() < len(x)
    assert LINF.admits(whole.x_adv, x).all()
    assert torch.equal(model(whole.x_adv).argmax(1) != y, whole.adversarial)
    assert torch.equal(torch.cat(parts), whole.adversarial)


def test_a_target_is_each_wrong_class_once_the_likeliest_first():
    model, x, y = case()
    targets = torch.stack([enter(task(model, x, y)).target for _, enter in Targets(PGD(), 9).rounds()], 1)

    assert torch.equal(targets, model(x).argsort(1, descending=True)[:, 1:])


def test_best_of_breaks_what_any_of_its_attacks_breaks():
    model, x, y = case()
    attacks = (FGSM(), PGD(steps=2, start=0.0), FGSM("margin"))
    each = [assail(model, attack, x, y, LINF).adversarial for attack in attacks]

    assert torch.equal(assail(model, BestOf(attacks), x, y, LINF).adversarial, torch.stack(each).any(0))


def test_a_diversified_start_is_far_away_in_answers():
    model, x, y = case()
    given = task(model, x, y)
    attack = Diversified(PGD(), 5)
    state = attack.init(given)
    random_start = model(state.x)
    for k in range(5):
        state = attack.step(given, state, k)

    assert (model(state.x) - model(x)).norm(dim=1).mean() > 2 * (random_start - model(x)).norm(dim=1).mean()
    assert LINF.admits(state.x, x).all()


class Noisy(nn.Module):
    """A random model: the answer of `inner` with noise, by default as large as the logits."""

    def __init__(self, inner, share=1.0):
        super().__init__()
        self.inner, self.share = inner, share

    def forward(self, x):
        answer = self.inner(x)
        return answer + self.share * answer.detach().std() * torch.randn_like(answer)


@pytest.mark.parametrize(
    "ask", [lambda task: task.ascent(task.x, "ce"), lambda task: task.gradients(task.x, task.y[:, None])]
)
def test_a_mean_over_draws_is_nearer_to_the_answer_without_noise(ask):
    model, x, y = case()
    off = []
    for draws in (1, 64):
        given = replace(task(Noisy(model), x, y), draws=draws)
        logits = ask(given)[0]
        off.append((logits - model(x)).square().mean())
        assert (given.cost.forwards == draws).all()
        assert (given.cost.backwards == draws).all()

    assert off[1] < off[0] / 16


def test_held_shows_nothing_before_its_last_step_and_then_what_fools_again():
    model, x, y = case()
    noisy, threat, climb = Noisy(model, 0.3), LpThreat.parse("linf:1/10"), PGD(steps=10, loss="margin")
    held, again = EOT(WorstOfDraws(climb), 10), []
    given = task(noisy, x, y, threat)
    state = held.init(given)
    for k in range(9):
        state = held.step(given, state, k)
        assert torch.equal(state.x, x)
    for attack in (climb, held):
        outcome = assail(noisy, attack, x, y, threat)
        moved = (outcome.x_adv != x).flatten(1).any(1)  # others were answered wrong as they are, by luck
        with seeded(0):
            again.append((noisy(outcome.x_adv).argmax(1) != y)[moved].double().mean())

    assert again[0] < 0.8
    assert again[1] > 0.9


class Rounded(nn.Module):
    """A model that hides its gradient by rounding to 4 grey levels."""

    def forward(self, x):
        return (3 * x).round() / 3


def test_bpda_sees_through_a_submodule_without_a_gradient_and_leaves_the_model_as_found():
    inner, x, _ = case()
    model = nn.Sequential(Rounded(), inner).eval()
    y = model(x).argmax(1)
    plain = assail(model, PGD(), x, y, LpThreat.parse("linf:1/5")).adversarial
    through = assail(model, BPDA(PGD(), "0"), x, y, LpThreat.parse("linf:1/5")).adversarial

    assert through.sum() > plain.sum()
    assert not model[0]._forward_hooks


def test_bpda_tells_which_submodules_there_are():
    model, x, y = case()

    with pytest.raises(ValueError, match="no submodule 'defence'; it has 0, 1, 2"):
        assail(model, BPDA(PGD(), "defence"), x, y, LINF)


def test_a_transfer_from_the_model_itself_breaks_as_much_and_asks_it_for_no_gradient():
    model, x, y = case()
    outcome = assail(model, Transfer(PGD(steps=5), model), x, y, LINF)

    assert torch.equal(outcome.adversarial, assail(model, PGD(steps=5), x, y, LINF).adversarial)


def test_a_transfer_from_another_model_counts_only_what_fools_the_one_that_is_tested():
    model, x, y = case()
    other = copy.deepcopy(model)
    for parameter in other.parameters():
        parameter.data *= 0.7
    outcome = assail(model, Transfer(PGD(steps=5), other), x, y, LINF)

    assert outcome.adversarial.any()
    assert torch.equal(model(outcome.x_adv).argmax(1) != y, outcome.adversarial)


@pytest.mark.parametrize("word", ["deepfool", "fab:steps=5", "ddn:steps=5", "apgd:steps=5", "pgd:odi=2:targets=2"])
def test_any_attack_transfers_by_word(word):
    model, x, y = case()
    threat = LpThreat.parse("l2:1")
    seen = []

    def load(text):
        seen.append(text)
        return model

    there = assail(model, make(f"{word}:surrogate=net.py:make", load), x, y, threat)
    here = assail(model, make(word), x, y, threat)

    assert seen == ["net.py:make"]
    assert torch.equal(there.adversarial, here.adversarial)
    assert here.adversarial.any()


def test_a_surrogate_is_part_of_the_word_and_of_the_options():
    """Rows that were measured with another surrogate are not compared."""
    attack = Transfer(PGD(steps=5), network())
    word = "pgd:steps=5:surrogate=sequential"
    assert describe(attack).lower() == word

    options = options_of(attack)
    assert options["attack"] == options_of(PGD(steps=5))
    assert options["surrogate"] == f"Sequential:{hash_weights(network())[:8]}"
    assert json.loads(json.dumps(options)) == options


def test_where_nothing_loads_a_surrogate_it_says_what_to_use():
    with pytest.raises(ValueError, match=r"nothing here loads models; use Transfer\(attack, model\)"):
        make("pgd:surrogate=net.py:make")


@pytest.mark.parametrize(
    ("word", "attack"),
    [
        ("apgd:loss=dlr:targets=9", Targets(APGD(loss="dlr"), 9)),
        ("pgd:odi=5:restarts=5:steps=20", Restarts(Diversified(PGD(steps=20), 5), 5)),
        ("fgsm:eot=20", EOT(FGSM(), 20)),
    ],
)
def test_a_word_and_its_attack_are_the_same(word, attack):
    assert make(word) == attack
    assert describe(attack) == word


def test_an_attack_is_a_plan_of_one_round():
    ((attack, enter),) = rounds_of(PGD())
    model, x, y = case()
    given = task(model, x, y)

    assert attack == PGD()
    assert enter(given) is given
