"""Every attack keeps the published contract, and every check of that catches an attack which does not."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from random import random
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from robust.attacks import ATTACKS, FGSM, PGD, BestOf, LpThreat, assail, make
from robust.attacks.engine import Ascent
from robust.attacks.geometry import Norm
from robust.attacks.testing import CHECKS, Case, check_attack, check_refusal, checks, norms_of
from robust.attacks.testing.case import NORMS

# The norms of those that are not for all.
ONLY: dict[str, tuple[Norm, ...]] = {"cw": ("l2",), "ddn": ("l2",), "square": ("linf", "l2")}
ONLY |= dict.fromkeys(("hopskipjump", "decision", "rays"), ("linf", "l2"))
ONLY |= dict.fromkeys(("capgd", "evolve", "frankwolfe"), ())  # of tables: see test_features.py
ONLY |= dict.fromkeys(("lavan", "patch-rs", "universal-patch"), ())  # of a patch: see test_patch.py
ONLY |= dict.fromkeys(("sigma-zero", "sparse-rs", "spgd"), ())  # of pixels: below, as l0
ONLY |= {"grid": ()}  # of pictures that are turned: see test_spatial.py
ONLY |= {"search": ()}  # of several inputs: see test_product.py
ONLY |= {"corruptions": ()}  # of pictures: see test_corruption_threat.py
OURS = [name for name in ATTACKS.names() if name != "torchattacks"]


def word(name, steps):
    """Return the spec of the attack, with so many steps if it has the option."""
    return f"{name}:steps={steps}" if "steps" in {f.name for f in fields(ATTACKS.get(name))} else name


EPS = {"linf": 0.05, "l2": 0.5, "l1": 4}
SLOW = {"cw": 20, "ddn": 20}  # in fewer steps these find nothing
WORDS = [word(name, SLOW.get(name, 6)) for name in OURS]  # few are enough to break the contract
WORDS += ["pgd:steps=5:restarts=3", "apgd:steps=10:targets=1", "pgd:steps=5:odi=2", "pgd:steps=5:eot=2"]
THEIRS = ["FGSM", "PGD:steps=5", "PGDL2:steps=5", "APGD:steps=10", "MIFGSM", "CW:steps=5", "Square:n_queries=50"]
CASES = [Case(attack, norm) for attack in (*WORDS, BestOf((FGSM(), PGD(steps=3)))) for norm in NORMS]
CASES += [Case(f"torchattacks:{name}", norm, batchwise=True, shapes=((3, 8, 8),)) for name in THEIRS for norm in NORMS]
ALLOWED = cache(norms_of)  # which attacks with it
PIXELS = ["fgsm", "pgd:steps=6", "apgd:steps=6", "mifgsm:steps=6", "bim:steps=6", "noise:steps=6", "spgd:steps=6"]
PIXELS += ["sigma-zero:steps=60", "sparse-rs:steps=30", "pgd:steps=5:restarts=3", "spgd:steps=5:targets=1"]
ABLE = [case for case in CASES if case.norm in ALLOWED(case.attack)]
EXEMPT = checks.check_the_batch_does_not_matter  # who is batchwise is
KEPT = [
    (check, case)
    for case in (*ABLE, *(Case(text, "l0") for text in PIXELS))
    for check in CHECKS
    if not (case.batchwise and check is EXEMPT)
]


@pytest.mark.parametrize(("check", "case"), KEPT, ids=[f"{check.__name__}-{case}" for check, case in KEPT])
def test_every_attack_keeps_the_contract(check, case):
    check(case)


@pytest.mark.parametrize("case", [Case(word(name, 100), norm) for name in OURS for norm in ALLOWED(name)], ids=str)
def test_a_long_attack_keeps_to_the_box_too(case):
    """A value that grows in each step without a gradient becomes infinite only after many."""
    checks.check_the_model_sees_the_box_only(case)


@pytest.mark.parametrize("case", [Case(word(name, 20), norm) for name in OURS for norm in ALLOWED(name)], ids=str)
def test_the_model_gets_inputs_of_their_own_type_whatever_torchs_default_is(case):
    seen = set()
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 5))
    model.register_forward_pre_hook(lambda module, inputs: seen.add(inputs[0].dtype))
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y, threat = model(x).argmax(1), LpThreat.parse(f"{case.norm}:{EPS[case.norm]}")
    torch.set_default_dtype(torch.float64)  # as a model's file may do; a fixture of all tests takes it back
    found = assail(model, make(case.attack), x, y, threat)

    assert seen == {torch.float32}
    assert found.x_adv.dtype == torch.float32


@pytest.mark.parametrize("case", [case for case in CASES if case not in ABLE], ids=str)
def test_an_attack_refuses_a_norm_that_it_is_not_for(case):
    check_refusal(case)


@pytest.mark.parametrize("name", [name for name in OURS if ATTACKS.get(name).__module__.startswith("robust.")])
def test_the_norms_that_an_attack_is_for(name):
    assert norms_of(name) == ONLY.get(name, NORMS)


def well(task, state):
    return state


@dataclass(frozen=True)
class Faulty:
    """FGSM with `fault` applied to every state."""

    fault: Callable[[Any, Ascent], Any] = well
    steps: Any = 1

    def init(self, task):
        logits, _, grad = task.ascent(task.x, "ce")
        return self.fault(task, Ascent(task.x, logits, grad))

    def step(self, task, state, k):
        x = task.threat.step(task.x, state.grad, float(task.threat.eps))
        return self.fault(task, Ascent(task.threat.project(x, task.x), None, state.grad))


def nudged(task, state, by):
    return state._replace(x=task.threat.project(state.x + by, task.x), logits=None)


def idle(task, state):
    return state._replace(x=task.x, logits=None)


def lies(task, state):
    return state._replace(logits=torch.nn.functional.one_hot((task.y + 1) % 10, 10).to(state.x))


def unnamed(task, state):
    return SimpleNamespace(x=state.x, logits=state.logits, grad=state.grad)


def stale(task, state):
    return state._replace(logits=task.logits(task.x))


def attached(task, state):
    return state._replace(x=state.x.clone().requires_grad_())


def reduced(task, state):
    return state._replace(grad=state.grad.mean(0, keepdim=True))


def counting(task, state):
    return state._replace(grad=1.0)


def single(task, state):
    return state._replace(x=state.x.float())


def leaves_the_box(task, state):
    return state._replace(x=state.x + 0.5, logits=None)


def divides_by_0(task, state):
    grad = state.grad.flatten(1)
    return state._replace(x=state.x + 0 * (grad / grad.norm(dim=1, keepdim=True)).view_as(state.x), logits=None)


def asks_past_the_task(task, state):
    return state._replace(logits=task.model(state.x))


def derives_past_the_task(task, state):
    with torch.enable_grad():
        x = state.x.clone().requires_grad_()
        task.cost.forwards[task.place] += 1
        torch.autograd.grad(task.model(x).sum(), x)
    return state


def dices(task, state):
    generator = torch.Generator()
    generator.seed()
    return nudged(task, state, 0.01 * torch.rand(state.x.shape, generator=generator).to(state.x))


def draws_for_the_batch(task, state):
    return nudged(task, state, 0.01 * torch.rand_like(state.x))


def draws_for_the_batch_in_float32(task, state):
    return nudged(task, state, torch.rand_like(state.x) / 5) if state.x.dtype == torch.float32 else state


def sees_the_others(task, state):
    return nudged(task, state, 0.01 * state.x.mean(0))


def learns(task, state):
    next(iter(task.model.parameters())).data += 0.01
    return state


def leaves_a_gradient(task, state):
    for parameter in task.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    return state


def leaves_a_hook(task, state):
    task.model.register_forward_hook(lambda module, args, out: None)
    return state


def draws_from_python(task, state):
    random()
    return state


def wants_images(task, state):
    return nudged(task, state, 0 * state.x.mean((2, 3), keepdim=True))


def wants_float32(task, state):
    return nudged(task, state, 0 * (state.x.flatten(1) @ torch.eye(64)).view_as(state.x))


def wants_three_classes(task, state):
    if state.logits is not None:
        state.logits.topk(3)
    return state


def wants_two_samples(task, state):
    assert len(task.x) > 1, "one sample has no variance"
    return state


class Thawed:
    """An attack that is not a dataclass, so that it can be changed."""

    steps = 1
    init, step = Faulty.init, Faulty.step
    fault = staticmethod(well)


@dataclass(frozen=True)
class Noting(Faulty):
    """A frozen attack that keeps its history in a list."""

    notes: list[int] = field(default_factory=list)

    def step(self, task, state, k):
        self.notes.append(k)
        return super().step(task, state, k)


@dataclass(frozen=True)
class Forcing(Faulty):
    """A frozen attack that changes itself nevertheless."""

    def step(self, task, state, k):
        object.__setattr__(self, "alpha", float(task.threat.eps))
        return super().step(task, state, k)


def raising(error):
    def fault(task, state):
        if task.threat.norm != "l2":
            raise error
        return state

    return Faulty(fault)


BROKEN = [
    (checks.check_what_is_found_fools_the_model, Faulty(idle), "fooled an untrained network on none of 50 samples"),
    (
        checks.check_what_is_found_fools_the_model,
        Faulty(lies),
        "answers to 50 of 50 samples are not those of the state",
    ),
    (checks.check_states_are_as_promised, Faulty(unnamed), "a state is a SimpleNamespace; expected a NamedTuple"),
    (checks.check_states_are_as_promised, Faulty(stale), "logits of a state are not the model's answer at its x"),
    (checks.check_states_are_as_promised, Faulty(attached), "x of a state is .* and requires a gradient"),
    (
        checks.check_states_are_as_promised,
        Faulty(reduced),
        r"grad of a state is float64 \(1, 1, 8, 8\); expected 8 rows",
    ),
    (checks.check_states_are_as_promised, Faulty(counting), "grad of a state is float; expected a tensor or None"),
    (checks.check_states_are_as_promised, Faulty(single), "x of a state is float32 .*; expected float64"),
    (checks.check_the_model_sees_the_box_only, Faulty(leaves_the_box), r"values from .* to 1\.5.*; expected \[0, 1\]"),
    (checks.check_the_model_sees_the_box_only, Faulty(divides_by_0), "about values from nan to nan"),
    (checks.check_every_call_is_counted, Faulty(asks_past_the_task), "200 samples went forward, 100 were counted"),
    (checks.check_every_call_is_counted, Faulty(derives_past_the_task), "samples went backward, 50 were counted"),
    (checks.check_it_has_steps, Faulty(steps=0), "steps is 0; expected a whole number of at least 1"),
    (checks.check_it_has_steps, Faulty(steps=1.0), r"steps is 1\.0; expected a whole number"),
    (checks.check_the_same_seed_is_the_same_outcome, Faulty(dices), "found other inputs with the same seed"),
    (checks.check_the_batch_does_not_matter, Faulty(draws_for_the_batch), "in batches of 1, in float64"),
    (checks.check_the_batch_does_not_matter, Faulty(sees_the_others), "in batches of 1, in float64"),
    (checks.check_the_batch_does_not_matter, Faulty(draws_for_the_batch_in_float32), "in batches of 60, in float32"),
    (checks.check_all_is_left_as_found, Faulty(learns), "changed the weights 1.weight; expected"),
    (checks.check_all_is_left_as_found, Faulty(leaves_a_gradient), "changed the gradient of 1.weight, the gradient of"),
    (checks.check_all_is_left_as_found, Faulty(leaves_a_hook), "changed the hooks"),
    (checks.check_all_is_left_as_found, Faulty(draws_from_python), "changed the global random state of Python"),
    (checks.check_nothing_is_written_on_it, Thawed(), "it can be written on; expected a frozen dataclass"),
    (checks.check_nothing_is_written_on_it, Noting(), r"'notes': '\[\]'.* and is .*'notes': '\[0\]'"),
    (checks.check_nothing_is_written_on_it, Forcing(), "and is {'alpha': '0.5'"),
    (checks.check_it_takes_any_inputs, Faulty(wants_images), r"raised IndexError for float32 \(3, 64\)"),
    (checks.check_it_takes_any_inputs, Faulty(wants_float32), "raised RuntimeError for float64"),
    (checks.check_it_takes_any_inputs, Faulty(wants_three_classes), "raised RuntimeError for float32"),
    (checks.check_it_takes_any_inputs, Faulty(wants_two_samples), "one sample has no variance"),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_what_keeps_the_contract_passes_every_check(check):
    check(Case(Faulty(), "l2"))


def label_of(broken):
    return broken.fault.__name__ if isinstance(broken, Faulty) and broken.fault is not well else type(broken).__name__


@pytest.mark.parametrize(("check", "broken", "message"), BROKEN, ids=[label_of(broken) for _, broken, _ in BROKEN])
def test_what_does_not_is_caught_and_reported(check, broken, message):
    with pytest.raises(AssertionError, match=message):
        check(Case(broken, "l2"))


def test_every_check_can_fail():
    assert {check for check, _, _ in BROKEN} == {*CHECKS}


def test_an_attack_that_draws_for_the_batch_is_exempt_from_one_check_only():
    case = Case(Faulty(draws_for_the_batch), "l2", batchwise=True)
    for check in CHECKS:
        check(case)

    with pytest.raises(AssertionError, match="the same seed"):
        checks.check_the_same_seed_is_the_same_outcome(Case(Faulty(dices), "l2", batchwise=True))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("it is for l2; use pgd"),
        ValueError("it is for l2, not for linf or l1"),
        ValueError("linf and l1:\nuse pgd"),
        TypeError("not for linf and l1; use pgd"),
    ],
    ids=str,
)
def test_a_refusal_is_one_line_that_names_the_norm_and_what_to_use(error):
    check_refusal(Case(raising(ValueError("it is for l2, not for linf and l1; use pgd")), "linf"))

    with pytest.raises(AssertionError, match="expected"):
        check_refusal(Case(raising(error), "linf"))


def test_all_at_once():
    able = raising(ValueError("it is for l2, not for linf and l1; use pgd"))
    check_attack(able)
    check_attack(able, ["l2"])

    assert norms_of(able) == ("l2",)
    with pytest.raises(AssertionError, match=r"under l2:0.5: the message is ''; expected a ValueError that names l2"):
        check_attack(able, [])
    with pytest.raises(AssertionError, match=r"under linf:0.05: raised ValueError"):
        check_attack(able, ["linf"])
    with pytest.raises(AssertionError, match=r"faulty:steps=0 under linf:0.05: steps is 0"):
        check_attack(Faulty(steps=0), classes=(5, 2))
