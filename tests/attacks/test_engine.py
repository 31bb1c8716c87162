from fractions import Fraction
from typing import NamedTuple

import pytest
import torch
from torch import nn

from robust.attacks import ATTACKS, FGSM, PGD, LpThreat, Restarts, Rng, Task, assail, climb, make
from robust.attacks.engine import answers, still
from tests.attacks.models import inputs, network

LINF = LpThreat("linf", Fraction(1, 20))
THREATS = [LINF, LpThreat("l2", Fraction(1, 2)), LpThreat("l1", Fraction(2))]
SHORT = {"square": "square:steps=100", "cw": "cw:steps=100", "fab": "fab:steps=20"}
OURS = [SHORT.get(name, name) for name in ATTACKS.names() if name != "torchattacks"]
ONLY = {"ddn": "l2", "cw:steps=100": "l2", "square:steps=100": "linf"}  # the norm of an attack that has one only


def pairs(*names):
    """Every attack under every threat model that it is for."""
    able = [(name, threat) for name in names for threat in THREATS if ONLY.get(name, threat.norm) == threat.norm]
    return pytest.mark.parametrize(("name", "threat"), able, ids=str)


def threat_for(name):
    return next(threat for threat in THREATS if ONLY.get(name, threat.norm) == threat.norm)


def case(n=50, dtype=torch.float64, shape=(1, 8, 8), classes=10):
    model, x = network(64, classes, dtype), inputs(n, shape, dtype)
    return model, x, model(x).argmax(1)


@pairs(*OURS)
def test_what_is_found_is_admitted_and_fools_the_model(name, threat):
    model, x, y = case()
    outcome = assail(model, make(name), x, y, threat)

    assert outcome.fallen.any()
    assert threat.admits(outcome.x_adv, x).all()
    assert torch.equal(model(outcome.x_adv).argmax(1) != y, outcome.fallen)
    assert torch.equal(outcome.x_adv[~outcome.fallen], x[~outcome.fallen])


@pairs(*OURS, "pgd:restarts=3")
def test_outcomes_do_not_depend_on_the_batch(name, threat):
    model, x, y = case()
    whole = assail(model, make(name), x, y, threat, seed=3)

    index = torch.arange(len(x))
    for size in (1, 7):
        parts = [
            assail(model, make(name), x[rows], y[rows], threat, seed=3, index=index[rows]) for rows in index.split(size)
        ]
        assert torch.equal(torch.cat([part.fallen for part in parts]), whole.fallen)
        torch.testing.assert_close(torch.cat([part.x_adv for part in parts]), whole.x_adv, rtol=0, atol=1e-9)


def test_another_seed_is_another_start():
    model, x, y = case()
    a, b = (assail(model, PGD(steps=1), x, y, LINF, seed=seed).x_adv for seed in (0, 1))

    assert not torch.equal(a, b)


@pytest.mark.parametrize("name", OURS)
def test_the_model_and_the_global_random_state_are_left_as_found(name, rng_untouched):
    model, x, y = case()
    model.train()
    model[1].eval()
    model[1].weight.requires_grad_(False)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    learning = [p.requires_grad for p in model.parameters()]

    outcome = assail(model, make(name), x, y, threat_for(name))

    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == learning
    assert all(p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    assert not outcome.x_adv.requires_grad


def test_the_model_is_restored_after_an_error():
    model, x, y = case()
    model.train()
    with pytest.raises(RuntimeError):
        assail(model, FGSM(), x[:, :, :4], y, LINF)

    assert model.training
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(64,), (4, 16), (1, 2, 32), (2, 2, 4, 4)])
@pytest.mark.parametrize("classes", [2, 100])
@pytest.mark.parametrize("name", OURS)
def test_any_shape_type_and_number_of_classes(name, dtype, shape, classes):
    model, x, y = case(5, dtype, shape, classes)
    threat = threat_for(name)
    outcome = assail(model, make(name), x, y, threat)

    assert outcome.x_adv.dtype == dtype
    assert outcome.x_adv.shape == x.shape
    assert threat.admits(outcome.x_adv, x).all()


def test_a_sample_that_starts_misclassified_has_fallen_at_once():
    model, x, y = case(4)
    outcome = assail(model, FGSM(), x, (y + 1) % 10, LINF)

    assert outcome.fallen.all()
    assert torch.equal(outcome.x_adv, x)
    assert torch.equal(outcome.cost.backwards, torch.ones(4, dtype=torch.int64))


class Moved(NamedTuple):
    x: torch.Tensor
    logits: torch.Tensor | None


class Cheat:
    """Leaves the ball, and says of itself that the model was fooled."""

    steps = 1

    def init(self, task):
        return Moved(task.x, None)

    def step(self, task, state, k):
        return Moved(task.x + 1, torch.nn.functional.one_hot((task.y + 1) % 10, 10).double())


def test_the_driver_judges_not_the_attack():
    model, x, y = case()

    assert not assail(model, Cheat(), x, y, LINF).fallen.any()


def test_an_answer_that_is_not_finite_is_a_fault_and_no_success():
    _, x, y = case(6)

    class Faulty(nn.Module):
        def forward(self, x):
            logits = torch.zeros(len(x), 10, dtype=x.dtype)
            logits[:, 3] = torch.where(x.flatten(1)[:, 0] > 0.5, torch.nan, 1.0)
            return logits + 0 * x.sum()

    outcome = assail(Faulty(), FGSM(), x, y, LINF)
    high = x.flatten(1)[:, 0] > 0.5
    assert outcome.faulty[high].all()
    assert not outcome.fallen[high].any()


def test_a_gradient_that_is_not_a_number_does_not_move_the_iterate():
    x, y = inputs(3, (4,)), torch.zeros(3, dtype=torch.int64)

    def model(x):  # the gradient of sqrt at 0 is infinite, and 0 * inf is not a number
        return torch.stack([x.sum(1), (0 * x).sqrt().sum(1)], 1)

    task = Task.of(model, x, y, LINF, Rng.of(0, torch.arange(3)))
    assert climb(PGD(steps=3, start=0), task).isfinite().all()


def test_costs_are_counted_for_each_sample_until_it_falls():
    model, x, y = case()
    calls = []
    hook = model.register_forward_hook(lambda module, args, out: calls.append(len(args[0])))
    outcome = assail(model, PGD(steps=10), x, y, LINF)
    hook.remove()

    assert outcome.cost.forwards.sum() == sum(calls)
    assert (outcome.cost.forwards[~outcome.fallen] == 11).all()
    assert (outcome.cost.backwards[~outcome.fallen] == 10).all()
    assert (outcome.cost.forwards[outcome.fallen] < 11).any()


class Counter(NamedTuple):
    x: torch.Tensor
    logits: None
    age: torch.Tensor


class Aging:
    """Checks that the state that a step gets is that of the samples which still stand."""

    steps = 5

    def init(self, task):
        return Counter(task.x, None, task.y.clone())

    def step(self, task, state, k):
        assert torch.equal(state.age, task.y + k)
        moved = task.threat.project(task.threat.step(state.x, torch.randn_like(state.x), 0.05), task.x)
        return Counter(moved, None, state.age + 1)


def test_state_and_task_stay_together_when_samples_drop_out():
    model, x, y = case()

    assert assail(model, Aging(), x, y, LINF).fallen.any()


def test_a_task_that_keeps_all_samples_is_not_copied():
    model, x, y = case()
    task = Task.of(model, x, y, LINF, Rng.of(0, torch.arange(50)))

    assert task.only(task.place >= 0).x.data_ptr() == x.data_ptr()
    assert len(task.only(task.place > 0).x) == 49


def test_climbing_drops_nobody():
    model, x, y = case()
    task = Task.of(model, x, y, LINF, Rng.of(0, torch.arange(len(x))))
    x_adv = climb(PGD(steps=5), task)

    assert x_adv.shape == x.shape
    assert (task.cost.backwards == 5).all()
    assert (x_adv != x).flatten(1).any(1).all()


def test_restarts_draw_anew_and_never_do_worse():
    model, x, y = case()
    once = assail(model, PGD(steps=3), x, y, LINF)
    five = assail(model, Restarts(PGD(steps=3), 5), x, y, LINF)
    assert (five.fallen >= assail(model, Restarts(PGD(steps=3), 1), x, y, LINF).fallen).all()
    assert five.fallen.sum() >= once.fallen.sum()

    task = Task.of(model, x, y, LINF, Rng.of(0, torch.arange(len(x))))
    starts = [enter(task).start() for _, enter in Restarts(PGD(), 3).rounds()]
    assert len(starts) == 3
    assert not torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[1], starts[2])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: PGD(steps=0), "steps must be at least 1, got 0"),
        (lambda: PGD(stride=0), "stride"),
        (lambda: PGD(start=1.5), "start"),
        (lambda: PGD(loss="cee"), "did you mean 'ce'"),
        (lambda: FGSM(loss="x"), "unknown loss 'x'"),
        (lambda: Restarts(PGD(), 0), "restarts must be at least 1"),
        (lambda: make("pgd:restarts=x"), "restarts must be of type int"),
        (lambda: make("fgsm:eps=1"), "fgsm has no option 'eps'"),
    ],
)
def test_wrong_options_say_what_was_expected(wrong, told):
    with pytest.raises(ValueError, match=told):
        wrong()


def test_an_unknown_attack_gets_a_suggestion():
    with pytest.raises(LookupError, match="did you mean 'pgd'"):
        make("pdg")


def test_still_seeds_a_model_that_draws(rng_untouched):
    seen = []
    for _ in range(2):
        with still(nn.Identity(), seed=4):
            seen.append(torch.rand(3))

    assert torch.equal(*seen)


def test_answers_tell_right_and_faulty():
    y = torch.tensor([0, 1, 0])
    logits = torch.tensor([[2.0, 1.0], [2.0, 1.0], [torch.inf, 0.0]])

    right, faulty = answers(lambda x: logits, torch.zeros(3, 1), y)

    assert right.tolist() == [True, False, False]
    assert faulty.tolist() == [False, False, True]


def test_inputs_outside_the_bounds_are_refused():
    """Nothing near them could be admitted, and any model would look robust."""
    model, x, y = case(4)
    with pytest.raises(ValueError, match=r"the inputs go from .* the bounds are \[0, 1\]"):
        assail(model, FGSM(), 3 * x - 1, y, LINF)


def test_a_model_that_works_in_place_changes_nothing_of_ours():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network()

        def forward(self, x):
            x -= 0.05
            return self.inner(x)

    _, x, y = case()
    before = x.clone()
    outcome = assail(InPlace(), PGD(steps=3), x, y, LINF)

    assert torch.equal(x, before)
    assert LINF.admits(outcome.x_adv, x).all()
