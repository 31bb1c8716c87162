"""The Attack protocol, and the drivers: the only loops of the project.

An attack is a frozen dataclass of options with two pure methods, `init` and `step`. A driver runs them: `assail` for
evaluation drops a sample as soon as it falls, `run_steps` for training keeps all to the last step, `min_norm`, in its
own file, keeps the closest input that fools the model. The driver judges success itself, by the threat model and the
model's own answer, so an attack cannot claim what did not happen.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.rng import Rng, seeded
from robust.attacks.task import Cost, Model, Task
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import Threat


class Ascent(NamedTuple):
    """The state of a gradient attack; every tensor leads with the batch axis.

    `done`, where a state has it, is (n,) bool: samples that no further step can change; the driver drops them.
    """

    x: Tensor  # (n, *features), the iterate
    logits: Tensor | None  # (n, classes) at x; None where the attack did not ask the model
    grad: Tensor  # (n, *features), of the loss at x


S = TypeVar("S", bound=tuple[Any, ...])  # a NamedTuple like Ascent: .x, .logits, and what else the attack needs


@runtime_checkable
class Attack(Protocol[S]):
    """Options in fields, and two pure methods. Nothing is written on an attack after construction."""

    @property
    def steps(self) -> int:
        """How often the driver calls `step`."""
        ...

    def init(self, task: Task) -> S:
        """The first state, with the first iterate."""
        ...

    def step(self, task: Task, state: S, k: int) -> S:
        """The state after step number k = 0, 1, ..., steps - 1."""
        ...


class Round(NamedTuple):
    """An attack on the samples that still stand, and how its task differs; itself a plan of one round."""

    attack: Attack[Any]
    enter_round: Callable[[Task], Task]

    def rounds(self) -> Iterator["Round"]:
        return iter([self])


@runtime_checkable
class Plan(Protocol):
    """Attacks one after the other: what is made of several attacks has no `init` and `step`, but rounds."""

    def rounds(self) -> Iterator[Round]:
        """The rounds, in order; each begins with the samples that no earlier one broke."""
        ...


AnyAttack = Attack[Any] | Plan


def rounds_of(attack: AnyAttack) -> Iterator[Round]:
    """The rounds of a plan; an attack is a plan of one."""
    return attack.rounds() if isinstance(attack, Plan) else Round(attack, lambda task: task).rounds()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attack did to a batch, sample by sample, as judged by the driver."""

    adversarial: Tensor  # (N,) bool: an admitted input with a finite, wrong answer was found
    x_adv: Tensor  # (N, *features): that input where fallen, x elsewhere
    faulty: Tensor  # (N,) bool: the model answered something not finite on the way; never a success of the attack
    margin: Tensor  # (N,): the largest at x and at the last iterates, if admitted; -inf where faulty
    cost: Cost


def assail(
    model: Model,
    attack: AnyAttack,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    seed: int = 0,
    index: Tensor | None = None,
    stop: Callable[[], bool] = lambda: False,
    criterion: Criterion = CLASS,
) -> Outcome:
    """Attack every sample until it falls or the attack ends; of a union of threat models each in turn.

    A sample whose x itself is answered wrong has fallen at once, so that no figure is better than the clean one. After
    each step `stop` is asked whether to end there, with what was found so far.

    x is (N, *features) within the threat's bounds, y (N,) int64, `index` (N,) the samples' numbers in their data set
    (by default 0..N-1): with the seed they fix all that is random. The model is used in evaluation mode, and its
    modes, gradients and parameters and the global random state are left as found. ValueError where x leaves the
    threat's bounds: nothing near it could be admitted, and the model would look robust.
    """
    first, *others = threat.parts
    with eval_mode(model, seed), torch.no_grad():
        task = start(model, x, y, first, seed, index, criterion)
        clean = judge(task, x, None)
        outcome = Outcome(clean.adversarial, x.clone(), clean.faulty, clean.margin, task.cost)
        for part in (first, *others):
            for each, enter_round in rounds_of(attack):
                standing = replace(task, threat=part).only(~outcome.adversarial)
                if not len(standing.x) or stop():
                    return outcome
                _assail(each, enter_round(standing), outcome, stop)
    return outcome


def start(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: LpThreat,
    seed: int,
    index: Tensor | None,
    criterion: Criterion = CLASS,
) -> Task:
    """The task of a driver; ValueError where x leaves the threat's bounds."""
    if len(x) and not (x.amin() >= threat.lo and x.amax() <= threat.hi):
        told = f"from {x.amin():g} to {x.amax():g}, the bounds are [{threat.lo:g}, {threat.hi:g}]"
        raise ValueError(f"the inputs go {told}; give the threat model the bounds of the data, or scale the data")
    index = torch.arange(len(x), device=x.device) if index is None else index
    return Task.of(model, x, y, threat, Rng.of(seed, index), criterion)


class Verdict(NamedTuple):
    """The model's answers to inputs, judged."""

    adversarial: Tensor  # (n,) bool: admitted and answered wrong
    faulty: Tensor  # (n,) bool: answered with something not finite
    margin: Tensor  # (n,): by how much the label is missed; -inf where the answer is not finite


def _assail(attack: Attack[Any], task: Task, outcome: Outcome, stop: Callable[[], bool]) -> None:
    """Attack the samples of `task`, and note in `outcome` what becomes of them."""
    state = attack.init(task)
    for k in range(attack.steps + 1):
        verdict, place = judge(task, state.x, state.logits), task.place
        adversarial = verdict.adversarial
        outcome.faulty[place[verdict.faulty]] = True
        outcome.adversarial[place[adversarial]] = True
        outcome.x_adv[place[adversarial]] = state.x[adversarial]
        leaving = adversarial if (done := getattr(state, "done", None)) is None else adversarial | done
        if over := k == attack.steps or bool(leaving.all()) or stop():
            leaving = torch.ones_like(leaving)
        _note_margins(outcome, task, state.x, verdict, leaving)
        if over:
            break
        if bool(leaving.any()):
            task, state = task.only(~leaving), restrict(state, ~leaving)
        state = attack.step(task, state, k)


def _note_margins(outcome: Outcome, task: Task, x: Tensor, verdict: Verdict, which: Tensor) -> None:
    """Note how near these came at their last iterate: to ask after every step would cost as much as a projection."""
    nearer = which & (verdict.margin > outcome.margin[task.place])
    nearer[nearer.clone()] = task.threat.admits(x[nearer], task.x[nearer])
    outcome.margin[task.place[nearer]] = verdict.margin[nearer]


def judge(task: Task, x: Tensor, logits: Tensor | None) -> Verdict:
    """Of the iterates x, one for each sample of the task, and the model's answers to them, if it was asked."""
    if not len(x):
        none = torch.zeros(0, dtype=torch.bool, device=x.device)
        return Verdict(none, none, x.new_zeros(0))
    logits = task.logits(x) if logits is None else logits
    finite = task.criterion.finite(logits)
    adversarial = finite & ~task.criterion.accepts(logits, task.y)
    adversarial[adversarial.clone()] = task.threat.admits(x[adversarial], task.x[adversarial])
    if task.exact is not None:
        adversarial[adversarial.clone()] = _wrong(task.only(adversarial), task.exact, x[adversarial])
    return Verdict(adversarial, ~finite, task.criterion.margin(logits, task.y).masked_fill(~finite, -torch.inf))


def _wrong(task: Task, model: Model, x: Tensor) -> Tensor:
    """Whether that model answers the iterates, (n, *features), with something finite and wrong: (n,) bool."""
    if not len(x):
        return torch.zeros(0, dtype=torch.bool, device=x.device)
    logits = replace(task, model=model).logits(x)
    return task.criterion.finite(logits) & ~task.criterion.accepts(logits, task.y)


def run_steps(attack: Attack[Any], task: Task) -> Tensor:
    """The last iterate of every sample, (N, *features): what adversarial training learns from. No sample is dropped."""
    with torch.no_grad():
        state = attack.init(task)
        for k in range(attack.steps):
            state = attack.step(task, state, k)
        x: Tensor = state.x
        return x.detach()


def answers(model: Model, x: Tensor, y: Tensor, seed: int = 0, criterion: Criterion = CLASS) -> tuple[Tensor, Tensor]:
    """Of clean inputs: (answered right, answered with something not finite), each (N,) bool."""
    with eval_mode(model, seed), torch.no_grad():
        logits = model(x.clone())
    finite = criterion.finite(logits)
    return finite & criterion.accepts(logits, y), ~finite


def restrict(state: S, keep: Tensor) -> S:
    """The state of the samples in the mask; a field may be a state of its own."""
    fields: list[Any] = [
        None if field is None else restrict(field, keep) if isinstance(field, tuple) else field[keep] for field in state
    ]
    return type(state)(*fields)


@contextmanager
def eval_mode(model: Model, seed: int = 0) -> Iterator[None]:
    """Evaluation mode, frozen parameters and a random stream of its own (for models that draw); all is restored."""
    if not isinstance(model, nn.Module):
        with seeded(seed):
            yield
        return
    modes = [(module, module.training) for module in model.modules()]
    learning = [(p, p.requires_grad) for p in model.parameters()]
    with seeded(seed, (p.device for p, _ in learning)):
        try:
            model.eval()
            for parameter, _ in learning:
                parameter.requires_grad_(False)
            yield
        finally:
            for module, training in modes:
                module.training = training
            for parameter, flag in learning:
                parameter.requires_grad_(flag)


def fold(r: int, enter_round: Any, task: Task) -> Task:
    """The task of a round, with random stream number `r`."""
    found: Task = enter_round(task.fold(r))
    return found
