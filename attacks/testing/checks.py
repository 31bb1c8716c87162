"""The checks: each a function of a Case that raises AssertionError where the contract is not kept."""

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

# (type, samples, sizes of the batches, how many of the outcomes may differ): in float32 kernels round as batches go.
BATCHES = ((torch.float64, 30, (1, 7), 0), (torch.float32, 500, (60,), 1))


def check_it_has_steps(case: Case) -> None:
    """`steps`, of every round, is a whole number of at least 1."""
    for attack, _ in rounds_of(case.made()):
        told = f"steps is {attack.steps!r}; expected a whole number of at least 1"
        case.hold(type(attack.steps) is int and attack.steps >= 1, told)


def check_what_is_found_fools_the_model(case: Case) -> None:
    """It finds something, and all of that is inside the threat model and the box, and answered wrong."""
    model, x, y = case.data()
    found = case.run(model, x, y)
    case.hold(bool(found.adversarial.any()), f"broke none of {len(x)} samples of an untrained network; expected some")
    case.hold(bool(case.threat.admits(found.x_adv, x).all()), "found an input outside the threat model or the box")
    off = int((found.adversarial != (model(found.x_adv).argmax(1) != y)).sum())
    case.hold(off == 0, f"the model answers {off} of {len(x)} otherwise than was told; give logits at x, or None")


def check_states_are_as_promised(case: Case) -> None:
    """NamedTuples of tensors that lead with the batch axis, detached; `x` as the inputs are, `logits` those at x."""
    model, x, y = case.data(8)
    with case.working(x), eval_mode(model), torch.no_grad():
        for task, state in _states(case.made(), Task.of(model, x, y, case.threat, Rng.of(3, torch.arange(len(x))))):
            case.hold(hasattr(state, "_fields"), f"a state is a {kind(state)}; expected a NamedTuple")
            for name, value in zip(state._fields, state, strict=True):
                told = f"{name} of a state is {kind(value)}"
                case.hold(value is None or isinstance(value, Tensor), f"{told}; expected a tensor or None")
                if value is not None:
                    case.hold(value.shape[:1] == x.shape[:1], f"{told}; expected {len(x)} rows, one a sample")
                    case.hold(not value.requires_grad, f"{told} and requires a gradient; expected it detached")
            case.hold(kind(state.x) == kind(x), f"x of a state is {kind(state.x)}; expected {kind(x)}")
            near = state.logits is None or torch.allclose(state.logits, task.model(state.x), rtol=1e-6, atol=1e-9)
            case.hold(near, "logits of a state are not the model's answer at its x; expected that, or None")


def check_the_model_sees_the_box_only(case: Case) -> None:
    """It is asked about nothing below lo or above hi, not even where it has no gradient to follow."""
    model, x, y = case.data()
    flat = straight(0.0, 1.0, x[0].numel())
    for inner, label in ((model, y), (flat, torch.zeros_like(y))):
        watched = Watched(inner)
        case.run(watched, x, label)
        seen, lo, hi = torch.stack(watched.values), case.threat.lo, case.threat.hi
        told = f"asked the model about values from {seen.amin():g} to {seen.amax():g}; expected [{lo:g}, {hi:g}]"
        case.hold(bool((seen >= lo).all() and (seen <= hi).all()), told)


def check_every_call_is_counted(case: Case) -> None:
    """The model is asked by the task's methods, which count."""
    model, x, y = case.data()
    watched = Watched(model)
    cost = case.run(watched, x, y).cost
    for way, asked, counted in (
        ("forward", watched.forwards, int(cost.forwards.sum())),
        ("backward", watched.backwards, int(cost.backwards.sum())),
    ):
        case.hold(asked == counted, f"{asked} samples went {way}, {counted} were counted; ask by the task's methods")


def check_the_same_seed_is_the_same_outcome(case: Case) -> None:
    """All that is random comes from the seed."""
    model, x, y = case.data()
    a, b = (case.run(model, x, y).x_adv for _ in range(2))
    case.hold(torch.equal(a, b), "found other inputs with the same seed; draw from task.rng")


def check_the_batch_does_not_matter(case: Case) -> None:
    """In whatever batch a sample stands, its outcome is the same; in float32 but for roundings."""
    if case.batchwise:
        return
    for dtype, n, sizes, most in BATCHES:
        model, x, y = case.data(n, dtype)
        whole = case.run(model, x, y)
        for size in sizes:
            batches = torch.split(torch.arange(n), size)
            parts = [case.run(model, x[rows], y[rows], rows) for rows in batches]
            off = torch.cat([part.adversarial for part in parts]) != whole.adversarial
            if not most:  # to the last digits
                off |= ((torch.cat([part.x_adv for part in parts]) - whole.x_adv).abs() > 1e-9).flatten(1).any(1)
            told = f"{int(off.sum())} of {n} outcomes are others in batches of {size}, in {kind(x)}; expected {most}"
            case.hold(int(off.sum()) <= most, f"{told} at most: draw from task.rng, keep samples apart")


def check_all_is_left_as_found(case: Case) -> None:
    """Weights, gradients, what learns, modes, hooks, and the global random state."""
    model, x, y = case.data()
    model.train()
    first, *others = model.parameters()
    first.requires_grad_(False)
    for parameter in others:
        parameter.grad = torch.ones_like(parameter)
    before = _facts(model)
    outcome = case.run(model, x, y)
    after = _facts(model)
    changed = [name for name, fact in before.items() if not _same(fact, after[name])]
    case.hold(not changed, f"changed {', '.join(changed)}; expected all to be left as found")
    case.hold(not outcome.x_adv.requires_grad, "x_adv requires a gradient; expected it detached")


def check_nothing_is_written_on_it(case: Case) -> None:
    """It is a frozen dataclass, and what is in it stays as it is."""
    attack = case.made()
    params = getattr(attack, "__dataclass_params__", None)
    case.hold(params is not None and params.frozen, "it can be written on; expected a frozen dataclass")
    before = _written(attack)
    model, x, y = case.data()
    with case.working(x):
        assail(model, attack, x, y, case.threat)
    after = _written(attack)
    case.hold(before == after, f"it was {before}, and is {after} now; expected it unchanged: keep state in the state")


def check_it_takes_any_inputs(case: Case) -> None:
    """Of any rank, pictures or not; float32 and float64; two classes and a hundred; one sample and several."""
    sizes = [(1, case.shapes[0]), *((3, shape) for shape in case.shapes[1:])]
    for dtype, (n, shape), classes in product((torch.float32, torch.float64), sizes, case.classes[1:]):
        model, x, y = replace(case, shapes=(shape,), classes=(classes,)).data(n, dtype)
        found = case.run(model, x, y).x_adv
        case.hold(kind(found) == kind(x), f"x_adv is {kind(found)}; expected {kind(x)}")
        case.hold(bool(case.threat.admits(found, x).all()), f"found {kind(x)} outside the threat model or the box")


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
    """Every check under each of the norms, by default those that it is for; the others must be refused well.

    `exempt` is what Case takes: `batchwise`, `shapes`, `classes`.
    """
    mine = norms_of(attack) if norms is None else tuple(norms)
    for norm in NORMS:
        case = Case(attack, norm, **exempt)
        for check in CHECKS if norm in mine else (check_refusal,):
            check(case)


def check_refusal(case: Case) -> None:
    """A norm that it is not for is a ValueError of one line, which names the norm and says what to use instead."""
    told = refusal(case)
    case.hold(case.norm in told, f"told {told!r}; expected a ValueError that names {case.norm}")
    case.hold("use " in told and "\n" not in told, f"told {told!r}; expected one line that says what to use instead")


def _states(attack: AnyAttack, task: Task) -> Iterator[tuple[Task, Any]]:
    """Every state that the attack goes through, with the task of its round; no sample is dropped."""
    for each, enter_round in rounds_of(attack):
        entered = enter_round(task)
        state = each.init(entered)
        yield entered, state
        for k in range(each.steps):
            state = each.step(entered, state, k)
            yield entered, state


def _facts(model: nn.Module) -> dict[str, Any]:
    """What an attack must not change, by name."""
    parameters = dict(model.named_parameters())
    return {
        **{f"the weights {name}": value.clone() for name, value in model.state_dict().items()},
        **{f"the gradient of {name}": None if p.grad is None else p.grad.clone() for name, p in parameters.items()},
        "what learns": [name for name, p in parameters.items() if p.requires_grad],
        "the modes": [module.training for module in model.modules()],
        "the hooks": [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()
        ],
        "the global random state of torch": torch.random.get_rng_state(),
        "the global random state of Python": random.getstate(),
    }


def _same(a: Any, b: Any) -> bool:
    return torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else bool(a == b)


def _written(thing: Any) -> dict[str, Any]:
    """What stands in the fields and the attributes, down to the attacks that an attack is made of."""
    names = {field.name for field in fields(thing)} | set(getattr(thing, "__dict__", {}))
    values = {name: getattr(thing, name) for name in sorted(names)}
    return {name: _written(value) if is_dataclass(value) else repr(value) for name, value in values.items()}
