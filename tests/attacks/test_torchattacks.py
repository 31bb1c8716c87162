"""Our attacks against torchattacks' own, and torchattacks' attacks through our driver."""

from fractions import Fraction

import pytest
import torch
import torchattacks

from robust.attacks import FGSM, PGD, LpThreat, Rng, Task, assail, make, run_steps
from tests.attacks.models import inputs, network

LINF, L2 = LpThreat("linf", Fraction(8, 255)), LpThreat("l2", Fraction(1, 2))


def task(threat=LINF):
    model, x = network(), inputs()
    return Task.of(model, x, model(x).argmax(1), threat, Rng.of(0, torch.arange(len(x))))


def test_fgsm_equals_theirs():
    given = task()
    theirs = torchattacks.FGSM(given.model, eps=8 / 255)(given.x, given.y)

    torch.testing.assert_close(run_steps(FGSM(), given), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 10, 40])
def test_pgd_equals_theirs_from_x(steps):
    given = task()
    theirs = torchattacks.PGD(given.model, eps=8 / 255, alpha=2 / 255, steps=steps, random_start=False)

    ours = run_steps(PGD(steps=steps, stride=0.25, start=0), given)

    torch.testing.assert_close(ours, theirs(given.x, given.y), rtol=0, atol=1e-6)


def test_pgd_equals_theirs_from_the_same_random_start(monkeypatch):
    given = task()
    start = LINF.sample(given.x, given.rng)
    theirs = torchattacks.PGD(given.model, eps=8 / 255, alpha=2 / 255, steps=10)
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda like, low, high: like.copy_(start - given.x))

    ours = run_steps(PGD(steps=10, stride=0.25), given)

    torch.testing.assert_close(ours, theirs(given.x, given.y), rtol=0, atol=1e-6)


def test_pgd_in_l2_equals_theirs():
    given = task(L2)
    theirs = torchattacks.PGDL2(given.model, eps=0.5, alpha=0.125, steps=10, random_start=False)

    ours = run_steps(PGD(steps=10, stride=0.25, start=0), given)

    torch.testing.assert_close(ours, theirs(given.x, given.y), rtol=0, atol=1e-6)


# Others keep the whole contract, in test_contract.py. These work in float32 only, or ask for what is not a number where
# there is no gradient, or break nothing on purpose.
REACHED = [
    ("APGDT", L2),
    ("FAB", LINF),
    ("DeepFool:steps=5", L2),
    ("PIFGSM", LINF),
    ("VANILA", LINF),
]


@pytest.mark.parametrize(("name", "threat"), REACHED, ids=[name for name, _ in REACHED])
def test_their_attacks_run_and_leave_everything_as_found(name, threat, rng_untouched):
    model, x = network(192, dtype=torch.float32), inputs(10, (3, 8, 8), torch.float32)
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.eval()
    y = model(x).argmax(1)
    model.train()

    outcome = assail(model, make(f"torchattacks:{name}"), x, y, threat)

    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert threat.admits(outcome.x_adv, x).all()
    assert not outcome.x_adv.requires_grad


def test_their_calls_are_counted():
    model, x = network(dtype=torch.float32), inputs(10, dtype=torch.float32)
    outcome = assail(model, make("torchattacks:PGD:steps=5"), x, model(x).argmax(1), LINF)

    assert (outcome.cost.forwards == 2 + 5 + 1).all()  # the driver's looks before and after
    assert (outcome.cost.backwards == 5).all()


def test_the_same_seed_gives_the_same_outcome():
    model, x = network(dtype=torch.float32), inputs(10, dtype=torch.float32)
    y = model(x).argmax(1)
    a, b, c = (assail(model, make("torchattacks:PGD"), x, y, LINF, seed=seed) for seed in (1, 1, 2))

    assert torch.equal(a.x_adv, b.x_adv)
    assert not torch.equal(a.x_adv, c.x_adv)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torchattacks", "write torchattacks:NAME"),
        ("torchattacks:steps=3", "write torchattacks:NAME"),
        ("torchattacks:PDG", "torchattacks has no attack 'PDG', did you mean 'PGD'"),
        ("torchattacks:PGD:eps=0.1", "eps comes from the run itself"),
        ("torchattacks:PGD:step=3", "has no option 'step', did you mean 'steps'"),
    ],
)
def test_a_wrong_word_is_reported(text, message):
    with pytest.raises((ValueError, LookupError), match=message):
        make(text)


@pytest.mark.parametrize(
    ("name", "threat", "message"),
    [
        ("PGD", L2, "is an attack for linf, the threat is l2:0.5"),
        ("PGDL2", LINF, "is an attack for l2, the threat is linf:8/255"),
        ("APGD", LpThreat("l1", Fraction(12)), "is an attack for linf and l2"),
        ("PGD", LpThreat("linf", Fraction(1, 10), -1, 1), r"needs inputs in \[0, 1\]"),
    ],
)
def test_a_threat_that_it_cannot_attack_is_reported(name, threat, message):
    model, x = network(dtype=torch.float32), inputs(3, dtype=torch.float32)
    with pytest.raises(ValueError, match=message):
        assail(model, make(f"torchattacks:{name}"), x, model(x).argmax(1), threat)


def test_restarts_of_theirs_are_not_the_same_again():
    model, x = network(192, dtype=torch.float32), inputs(10, (3, 8, 8), torch.float32)
    y = model(x).argmax(1)
    seeds = []

    class Watched(torch.nn.Module):
        def forward(self, x):
            seeds.append(x.sum().item())
            return model(x)

    assail(Watched(), make("torchattacks:Square:n_queries=3:restarts=2"), x, y, LpThreat("linf", Fraction(1, 1000)))
    half = len(seeds) // 2
    assert seeds[:half] != seeds[half:]


def test_their_default_step_crosses_the_ball():
    model, x = network(dtype=torch.float32), inputs(10, dtype=torch.float32)
    threat = LpThreat("linf", Fraction(3, 10))
    found = assail(model, make("torchattacks:PGD:random_start=false"), x, model(x).argmax(1), threat)

    assert threat.size(found.x_adv, x)[found.adversarial].max() > 0.25


def test_what_theirs_raises_is_reported_as_theirs():
    model, x = network(dtype=torch.float32), inputs(3, dtype=torch.float32)
    with pytest.raises(ValueError, match="torchattacks:PIFGSM failed: RuntimeError: Given groups=3"):
        assail(model, make("torchattacks:PIFGSM"), x, model(x).argmax(1), LINF)
