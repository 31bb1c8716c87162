from fractions import Fraction
from typing import NamedTuple

import pytest
import torch
from torch import nn

from robust.attacks import FGSM, PGD, LpThreat, Restarts, Rng, Task, assail, make, run_steps
from robust.attacks.engine import answers, eval_mode
from tests.attacks.models import inputs, network

LINF = LpThreat("linf", Fraction(1, 20))


def case(n=50):
    model, x = network(), inputs(n)
    return model, x, model(x).argmax(1)


def test_another_seed_is_another_start():
    model, x, y = case()
    a, b = (assail(model, PGD(steps=1), x, y, LINF, seed=seed).x_adv for seed in (0, 1))

    assert not torch.equal(a, b)


def test_the_model_is_restored_after_an_error():
    model, x, y = case()
    model.train()
    with pytest.raises(RuntimeError):
        assail(model, FGSM(), x[:, :, :4], y, LINF)

    assert model.training
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("attack", [FGSM(), PGD(start=1.0), Restarts(PGD(), 2)], ids=str)
def test_a_sample_that_starts_misclassified_has_fallen_at_once(attack):
    """A random start might classify it right, and the model would look better than without an attack."""
    model, x, y = case(4)
    outcome = assail(model, attack, x, (y + 1) % 10, LINF)

    assert outcome.adversarial.all()
    assert torch.equal(outcome.x_adv, x)
    assert torch.equal(outcome.cost.forwards, torch.ones(4, dtype=torch.int64))
    assert not outcome.cost.backwards.any()


class Moved(NamedTuple):
    x: torch.Tensor
    logits: torch.Tensor | None


class Cheat:
    """An attack that leaves the ball, and claims that the model was fooled."""

    steps = 1

    def init(self, task):
        return Moved(task.x, None)

    def step(self, task, state, k):
        return Moved(task.x + 1, torch.nn.functional.one_hot((task.y + 1) % 10, 10).double())


def test_the_driver_judges_not_the_attack():
    model, x, y = case()

    assert not assail(model, Cheat(), x, y, LINF).adversarial.any()


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
    assert not outcome.adversarial[high].any()


def test_a_success_is_no_fault():
    model, x, y = case()
    outcome = assail(model, FGSM(), x, y, LINF)

    assert outcome.adversarial.any()
    assert not outcome.faulty.any()


def test_a_gradient_that_is_not_a_number_does_not_move_the_iterate():
    x, y = inputs(3, (4,)), torch.zeros(3, dtype=torch.int64)

    def model(x):  # the gradient of sqrt at 0 is infinite, and 0 * inf is not a number
        return torch.stack([x.sum(1), (0 * x).sqrt().sum(1)], 1)

    task = Task.of(model, x, y, LINF, Rng.of(0, torch.arange(3)))
    assert run_steps(PGD(steps=3, start=0), task).isfinite().all()


def test_costs_are_counted_for_each_sample_until_it_falls():
    model, x, y = case()
    calls = []
    hook = model.register_forward_hook(lambda module, args, out: calls.append(len(args[0])))
    outcome = assail(model, PGD(steps=10), x, y, LINF)
    hook.remove()

    assert outcome.cost.forwards.sum() == sum(calls)
    assert (outcome.cost.forwards[~outcome.adversarial] == 12).all()
    assert (outcome.cost.backwards[~outcome.adversarial] == 10).all()
    assert (outcome.cost.forwards[outcome.adversarial] < 12).any()


class Counter(NamedTuple):
    x: torch.Tensor
    logits: None
    age: torch.Tensor


class Aging:
    """Check that the state which a step gets is that of the samples that are still robust."""

    steps = 5

    def init(self, task):
        return Counter(task.x, None, task.y.clone())

    def step(self, task, state, k):
        assert torch.equal(state.age, task.y + k)
        moved = task.threat.project(task.threat.step(state.x, torch.randn_like(state.x), 0.05), task.x)
        return Counter(moved, None, state.age + 1)


def test_state_and_task_stay_together_when_samples_drop_out():
    model, x, y = case()

    assert assail(model, Aging(), x, y, LINF).adversarial.any()


def test_a_task_that_keeps_all_samples_is_not_copied():
    model, x, y = case()
    task = Task.of(model, x, y, LINF, Rng.of(0, torch.arange(50)))

    assert task.only(task.place >= 0).x.data_ptr() == x.data_ptr()
    assert len(task.only(task.place > 0).x) == 49


def test_climbing_drops_nobody():
    model, x, y = case()
    task = Task.of(model, x, y, LINF, Rng.of(0, torch.arange(len(x))))
    x_adv = run_steps(PGD(steps=5), task)

    assert x_adv.shape == x.shape
    assert (task.cost.backwards == 5).all()
    assert (x_adv != x).flatten(1).any(1).all()


def test_restarts_draw_anew_and_never_do_worse():
    model, x, y = case()
    once = assail(model, PGD(steps=3), x, y, LINF)
    five = assail(model, Restarts(PGD(steps=3), 5), x, y, LINF)
    assert (five.adversarial >= assail(model, Restarts(PGD(steps=3), 1), x, y, LINF).adversarial).all()
    assert five.adversarial.sum() >= once.adversarial.sum()

    task = Task.of(model, x, y, LINF, Rng.of(0, torch.arange(len(x))))
    starts = [enter(task).start() for _, enter in Restarts(PGD(), 3).rounds()]
    assert len(starts) == 3
    assert not torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[1], starts[2])


def test_an_unknown_attack_gets_a_suggestion():
    with pytest.raises(LookupError, match="did you mean 'pgd'"):
        make("pdg")


def test_still_seeds_a_model_that_draws(rng_untouched):
    seen = []
    for _ in range(2):
        with eval_mode(nn.Identity(), seed=4):
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
