"""Checks of the contract: functions of a Case that raise AssertionError if the attack does not keep it."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from robust.attacks.engine import AnyAttack, assail, eval_mode, rounds_of
from robust.attacks.geometry import Norm
from robust.attacks.rng import Rng
from robust.attacks.task import Task
from robust.attacks.testing.case import NORMS, Case, kind, norms_of, refusal
from robust.attacks.testing.models import Watched, straight

# (type, samples, batch sizes, how many outcomes may differ): in float32 rounding depends on the batch.
BATCHES = ((torch.float64, 30, (1, 7), 0), (torch.float32, 500, (60,), 1))


def check_it_has_steps(case: Case) -> None:
    """Check that `steps` of every round is a whole number of at least 1."""
    for attack, _ in rounds_of(case.make()):
        fault = f"steps is {attack.steps!r}; expected a whole number of at least 1"
        case.require(type(attack.steps) is int and attack.steps >= 1, fault)


def check_what_is_found_fools_the_model(case: Case) -> None:
    """Check that it finds inputs that are inside the threat model and the box, and answered wrong."""
    model, x, y = case.data()
    outcome = case.run(model, x, y)
    found_any = bool(outcome.adversarial.any())
    case.require(found_any, f"fooled an untrained network on none of {len(x)} samples; expected some")
    admitted = bool(case.threat.admits(outcome.x_adv, x).all())
    case.require(admitted, "found an input outside the threat model or the box")
    off = int((outcome.adversarial != (model(outcome.x_adv).argmax(1) != y)).sum())
    fault = f"the model's answers to {off} of {len(x)} samples are not those of the state"
    case.require(off == 0, f"{fault}; give the logits at x, or None")


def check_states_are_as_promised(case: Case) -> None:
    """Check that states are NamedTuples of detached tensors, one row a sample, and `logits` are those at `x`."""
    model, x, y = case.data(8)
    with case.expect_no_error(x), eval_mode(model), torch.no_grad():
        for task, state in _states(case.make(), Task.of(model, x, y, case.threat, Rng.of(3, torch.arange(len(x))))):
            case.require(hasattr(state, "_fields"), f"a state is a {kind(state)}; expected a NamedTuple")
            for name, value in zip(state._fields, state, strict=True):
                seen = f"{name} of a state is {kind(value)}"
                case.require(value is None or isinstance(value, Tensor), f"{seen}; expected a tensor or None")
                if value is not None:
                    case.require(value.shape[:1] == x.shape[:1], f"{seen}; expected {len(x)} rows, one a sample")
                    case.require(not value.requires_grad, f"{seen} and requires a gradient; expected it detached")
            case.require(kind(state.x) == kind(x), f"x of a state is {kind(state.x)}; expected {kind(x)}")
            near = state.logits is None or torch.allclose(state.logits, task.model(state.x), rtol=1e-6, atol=1e-9)
            case.require(near, "logits of a state are not the model's answer at its x; expected that, or None")


def check_the_model_sees_the_box_only(case: Case) -> None:
    """Check that the model sees no value below lo or above hi, not even where it has no gradient."""
    model, x, y = case.data()
    flat = straight(0.0, 1.0, x[0].numel())
    for inner, label in ((model, y), (flat, torch.zeros_like(y))):
        watched = Watched(inner)
        case.run(watched, x, label)
        seen, lo, hi = torch.stack(watched.values), case.threat.lo, case.threat.hi
        fault = f"asked the model about values from {seen.amin():g} to {seen.amax():g}; expected [{lo:g}, {hi:g}]"
        case.require(bool((seen >= lo).all() and (seen <= hi).all()), fault)


def check_every_call_is_counted(case: Case) -> None:
    """Check that the model is queried by the methods of the task, which count."""
    model, x, y = case.data()
    watched = Watched(model)
    cost = case.run(watched, x, y).cost
    for direction, passed, counted in (
        ("forward", watched.forwards, int(cost.forwards.sum())),
        ("backward", watched.backwards, int(cost.backwards.sum())),
    ):
        fault = f"{passed} samples went {direction}, {counted} were counted; ask by the task's methods"
        case.require(passed == counted, fault)


def check_the_same_seed_is_the_same_outcome(case: Case) -> None:
    """Check that everything random comes from the seed."""
    model, x, y = case.data()
    a, b = (case.run(model, x, y).x_adv for _ in range(2))
    case.require(torch.equal(a, b), "found other inputs with the same seed; draw from task.rng")


def check_the_batch_does_not_matter(case: Case) -> None:
    """Check that the outcome of a sample does not depend on its batch; in float32 up to rounding."""
    if case.batchwise:
        return
    for dtype, n, sizes, max_off in BATCHES:
        model, x, y = case.data(n, dtype)
        whole = case.run(model, x, y)
        for size in sizes:
            batches = torch.split(torch.arange(n), size)
            parts = [case.run(model, x[rows], y[rows], rows) for rows in batches]
            off = torch.cat([part.adversarial for part in parts]) != whole.adversarial
            if not max_off:  # to the last digits
                off |= ((torch.cat([part.x_adv for part in parts]) - whole.x_adv).abs() > 1e-9).flatten(1).any(1)
            k = int(off.sum())
            fault = f"{k} of {n} outcomes are others in batches of {size}, in {kind(x)}; expected {max_off} at most"
            case.require(k <= max_off, f"{fault}: draw from task.rng, keep samples apart")


def check_all_is_left_as_found(case: Case) -> None:
    """Check that weights, gradients, flags, modes, hooks and the global random state are restored."""
    model, x, y = case.data()
    model.train()
    first, *others = model.parameters()
    first.requires_grad_(False)
    for parameter in others:
        parameter.grad = torch.ones_like(parameter)
    before = _snapshot(model)
    outcome = case.run(model, x, y)
    after = _snapshot(model)
    changed = [name for name, value in before.items() if not _equal(value, after[name])]
    case.require(not changed, f"changed {', '.join(changed)}; expected all to be left as found")
    case.require(not outcome.x_adv.requires_grad, "x_adv requires a gradient; expected it detached")


def check_nothing_is_written_on_it(case: Case) -> None:
    """Check that it is a frozen dataclass whose fields do not change."""
    attack = case.make()
    params = getattr(attack, "__dataclass_params__", None)
    case.require(params is not None and params.frozen, "it can be written on; expected a frozen dataclass")
    before = _values(attack)
    model, x, y = case.data()
    with case.expect_no_error(x):
        assail(model, attack, x, y, case.threat)
    after = _values(attack)
    fault = f"it was {before}, and is {after} now; expected it unchanged"
    case.require(before == after, f"{fault}: keep state in the state")


def check_it_takes_any_inputs(case: Case) -> None:
    """Check inputs of any rank, float32 and float64, two classes and a hundred, one sample and several."""
    sizes = [(1, case.shapes[0]), *((3, shape) for shape in case.shapes[1:])]
    for dtype, (n, shape), classes in product((torch.float32, torch.float64), sizes, case.classes[1:]):
        model, x, y = replace(case, shapes=(shape,), classes=(classes,)).data(n, dtype)
        x_adv = case.run(model, x, y).x_adv
        case.require(kind(x_adv) == kind(x), f"x_adv is {kind(x_adv)}; expected {kind(x)}")
        admitted = bool(case.threat.admits(x_adv, x).all())
        case.require(admitted, f"found {kind(x)} outside the threat model or the box")


CHECKS: tuple[Callable[[Case], None], ...] = (
    check_it_has_steps,
    check_what_is_found_fools_the_model,
    check_states_are_as_promised,
    check_the_model_sees_the_box_only,
    check_every_call_is_counted,
    check_the_same_seed_is_the_same_outcome,
    check_the_batch_does_not_matter,
    check_all_is_left_as_found,
    check_nothing_is_written_on_it,
    check_it_takes_any_inputs,
)


def check_attack(attack: AnyAttack | str, norms: Iterable[Norm] | None = None, **exempt: Any) -> None:
    """Run every check under each of the norms, by default those of the attack; it must refuse the others clearly.

    `exempt` are fields of Case: `batchwise`, `shapes`, `classes`. Raise AssertionError if a check fails.
    """
    supported = norms_of(attack) if norms is None else tuple(norms)
    for norm in NORMS:
        case = Case(attack, norm, **exempt)
        for check in CHECKS if norm in supported else (check_refusal,):
            check(case)


def check_refusal(case: Case) -> None:
    """Check that a norm without support is a ValueError of one line that names the norm and what to use instead."""
    message = refusal(case)
    case.require(case.norm in message, f"the message is {message!r}; expected a ValueError that names {case.norm}")
    helpful = "use " in message and "\n" not in message
    case.require(helpful, f"the message is {message!r}; expected one line that says what to use instead")


def _states(attack: AnyAttack, task: Task) -> Iterator[tuple[Task, Any]]:
    """Yield every state of the attack, with the task of its round; no sample is dropped."""
    for round_attack, enter_round in rounds_of(attack):
        entered = enter_round(task)
        state = round_attack.init(entered)
        yield entered, state
        for k in range(round_attack.steps):
            state = round_attack.step(entered, state, k)
            yield entered, state


def _snapshot(model: nn.Module) -> dict[str, Any]:
    """Return everything that an attack must not change, by name."""
    parameters = dict(model.named_parameters())
    return {
        **{f"the weights {name}": value.clone() for name, value in model.state_dict().items()},
        **{f"the gradient of {name}": None if p.grad is None else p.grad.clone() for name, p in parameters.items()},
        "which weights are trainable": [name for name, p in parameters.items() if p.requires_grad],
        "the modes": [module.training for module in model.modules()],
        "the hooks": [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()
        ],
        "the global random state of torch": torch.random.get_rng_state(),
        "the global random state of Python": random.getstate(),
    }


def _equal(a: Any, b: Any) -> bool:
    """Whether two values are equal, tensors element by element."""
    return torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else bool(a == b)


def _values(thing: Any) -> dict[str, Any]:
    """Return the values of fields and attributes, also of the attacks that an attack consists of."""
    names = {field.name for field in fields(thing)} | set(getattr(thing, "__dict__", {}))
    values = {name: getattr(thing, name) for name in sorted(names)}
    return {name: _values(value) if is_dataclass(value) else repr(value) for name, value in values.items()}
