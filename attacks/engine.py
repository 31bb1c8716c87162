"""The Attack protocol, and the drivers: with iterates.py, the only loops over attack steps in the project.

An attack is a frozen dataclass of options with two pure methods, `init` and `step`. A driver runs them: `assail`, for
evaluation, drops a sample as soon as it is adversarial; `run_steps`, for training, keeps all samples to the last step;
`minimize_norm`, in min_norm.py, keeps the closest input that fools the model. The driver itself judges success, by the
threat model, the criterion and the model's own answer, so an attack cannot claim a success that it did not have.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from robust.attacks.arguments import check_answer, check_arguments, check_threat
from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.families import check_family
from robust.attacks.give_back import give_back
from robust.attacks.guards import differentiable
from robust.attacks.layout import are_several
from robust.attacks.lift import lift, lower, no_theta
from robust.attacks.rng import Rng, rng_of, seeded
from robust.attacks.several import Several, pack_inputs, unpack_rows
from robust.attacks.state import kept
from robust.attacks.success import Verdict, judge, margin_of
from robust.attacks.task import HOPE, Cost, Model, Task
from robust.attacks.threats.features import FeaturesThreat
from robust.attacks.threats.product import Product
from robust.attacks.threats.threat import Part, Threat


class Ascent(NamedTuple):
    """The state of a gradient attack. The first axis of every tensor is the batch.

    A state may also have `done`, (n,) bool: samples that no further step can change. The driver drops them.
    """

    x: Tensor  # (n, *features), the iterate
    logits: Tensor | None  # (n, classes) at x; None if the attack did not query the model
    grad: Tensor  # (n, *features): of the loss at x


S = TypeVar("S", bound=tuple[Any, ...])  # a NamedTuple like Ascent: .x, .logits, and what else the attack needs


@runtime_checkable
class Attack(Protocol[S]):
    """A frozen dataclass: options in fields, and two pure methods. It never changes after construction."""

    @property
    def steps(self) -> int:
        """Return how often the driver calls `step`."""
        ...

    def init(self, task: Task) -> S:
        """Return the first state, with the first iterate."""
        ...

    def step(self, task: Task, state: S, k: int) -> S:
        """Return the state after step number k = 0, 1, ..., steps - 1."""
        ...


class Round(NamedTuple):
    """An attack on the samples that are still robust, and how its task differs. A round is itself a plan of one."""

    attack: Attack[Any]
    enter_round: Callable[[Task], Task]

    def rounds(self) -> Iterator["Round"]:
        """Yield this round."""
        return iter([self])


@runtime_checkable
class Plan(Protocol):
    """Attacks one after the other. What consists of several attacks has rounds, in place of `init` and `step`."""

    def rounds(self) -> Iterator[Round]:
        """Yield the rounds in order; each begins with the samples that are robust to all earlier ones."""
        ...


AnyAttack = Attack[Any] | Plan


def rounds_of(attack: AnyAttack) -> Iterator[Round]:
    """Yield the rounds of a plan; an attack is a plan of one."""
    return attack.rounds() if isinstance(attack, Plan) else Round(attack, lambda task: task).rounds()


def count_copies(attack: AnyAttack) -> int:
    """Return how many iterates of each sample an attack has at once, at most."""
    return max((getattr(attack, "starts", 1) for attack, _ in rounds_of(attack)), default=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an attack on a batch, sample by sample, as judged by the driver."""

    adversarial: Tensor  # (N,) bool: an admitted input with a finite, wrong answer was found
    x_adv: Tensor  # (N, *features): that input where adversarial, x elsewhere; of several inputs as these are given
    faulty: Tensor  # (N,) bool: some answer of the model was not finite; never a success of the attack
    margin: Tensor  # (N,): the largest at x and at the last iterates, if admitted; -inf if not finite
    clean: Tensor  # (N,): the margin at x
    cost: Cost
    theta: Tensor  # (N, 4) float32: of what a threat model that transforms made x_adv; NaN elsewhere
    undecided: Tensor  # (N,) bool: adversarial, since the test of a random model's answers does not decide


def assail(
    model: Model,
    attack: AnyAttack,
    x: Tensor | Several,
    y: Tensor,
    threat: Threat,
    *,
    seed: int | Rng = 0,
    criterion: Criterion = CLASS,
) -> Outcome:
    """Attack every sample until it is adversarial or the attack ends; the parts of a union are tried in turn.

    A sample whose clean x is answered wrong is adversarial at once, so that no figure is better than the clean one.
    x is (N, *features) within the threat's bounds, y (N,) int64, or whatever labels the criterion takes. The seed
    determines everything random; of a part of a data set give `Rng.of(seed, index)`, with the samples' numbers in it,
    so that a sample draws the same in whatever batch. The model runs in evaluation mode; its modes, gradients,
    parameters, buffers and the global random state are restored. Several inputs are a dict, with whose names the model
    is called, or a tuple, under a `Product`; so is `x_adv` then. Raise ValueError if x leaves the threat's bounds: no
    input near it could be admitted, and the model would look robust. Raise TypeError or ValueError, in one line, for
    what is no such argument, and for a model that does not answer with a tensor of logits. Of a `Drawn` model an input
    is adversarial unless a test shows that its answer is wrong with a probability below one half.
    """
    check_threat(threat)
    if not isinstance(x, Tensor) and are_several(x):
        on_rows, rows, layout = pack_inputs(model, x, threat)
        found = assail(on_rows, attack, rows, y, threat, seed=seed, criterion=criterion)
        return replace(found, x_adv=unpack_rows(layout, found.x_adv))
    check_arguments(model, attack, x, y, criterion)
    assert isinstance(x, Tensor)
    check_family(attack, threat, criterion)
    first, *others = threat.parts
    rng = rng_of(seed, x)
    with eval_mode(model, rng.seed), torch.no_grad():
        task = start(model, x, y, first, rng, criterion)
        clean = judge_clean(task)
        margin = margin_of(task, clean.logits)
        extra = no_theta(x), torch.zeros_like(clean.adversarial)
        outcome = Outcome(clean.adversarial, x.clone(), clean.faulty, margin.clone(), margin, task.cost, *extra)
        _assail_rounds(attack, (first, *others), task, outcome)
        if task.drawn is not None:
            _settle(task.only(~(outcome.adversarial | outcome.faulty)), outcome)
    return outcome


def _assail_rounds(attack: AnyAttack, parts: Sequence[Part], task: Task, outcome: Outcome) -> None:
    """Run the rounds of the attack under each part of the threat model, until no sample is left, or it is stopped."""
    for part in parts:
        for round_attack, enter_round in rounds_of(attack):
            robust = task.under(part).only(~outcome.adversarial)
            if not len(robust.x):
                return
            entered = enter_round(lift(robust))
            if entered.stop():
                return
            _assail(round_attack, entered, outcome)
            if isinstance(part, FeaturesThreat | Product) and task.drawn is None:
                _give_back(replace(robust, stop=entered.stop), outcome)


def _settle(task: Task, outcome: Outcome) -> None:
    """Test the most hopeful input of each sample of `task` that is left: what is not shown right is adversarial."""
    assert task.hopes is not None
    task = task.only(task.hopes.share[task.place] > HOPE)
    if len(task.x):
        hopeful, theta = task.hopes.x[task.place], task.hopes.theta[task.place]  # type: ignore[union-attr]
        tested = task.decide(hopeful)
        outcome.faulty[task.place[tested.faulty]] = True
        fallen = tested.wrong | tested.undecided
        outcome.adversarial[task.place[fallen]] = True
        outcome.undecided[task.place[tested.undecided]] = True
        outcome.x_adv[task.place[fallen]], outcome.theta[task.place[fallen]] = hopeful[fallen], theta[fallen]


def _give_back(task: Task, outcome: Outcome) -> None:
    """Make the adversarial inputs that a round has found for the samples of `task` as like the clean ones as can be."""
    fallen = task.only(outcome.adversarial[task.place])
    if len(fallen.x):
        outcome.x_adv[fallen.place] = give_back(fallen, outcome.x_adv[fallen.place])


def start(model: Model, x: Tensor, y: Tensor, threat: Part, rng: Rng, criterion: Criterion = CLASS) -> Task:
    """Return the task that a driver begins with. Arguments are those of `assail`.

    Raise ValueError if x leaves the threat's bounds.
    """
    check_bounds(x, threat)
    return Task.of(model, x, y, threat, rng, criterion)


def check_bounds(x: Tensor, threat: Threat) -> None:
    """Raise ValueError if x, (N, *features), leaves the threat's bounds."""
    if isinstance(threat, Product):
        threat.check_inside(x)
        return
    x = x.nan_to_num(threat.lo) if threat.keeps_missing else x
    if len(x) and not (x.amin() >= threat.lo and x.amax() <= threat.hi):
        ranges = f"from {x.amin():g} to {x.amax():g}, the bounds are [{threat.lo:g}, {threat.hi:g}]"
        give = "give those of the data, as LpThreat.parse(TEXT, lo=-1, hi=1) or minimize_norm(bounds=(-1, 1))"
        raise ValueError(f"the inputs go {ranges}; {give}, or scale the data")


def judge_clean(task: Task) -> Verdict:
    """Judge the clean inputs; raise TypeError or ValueError, in one line, if the criterion cannot read the answers."""
    if not len(task.x):
        return judge(task, task.x, None)
    logits = task.logits(task.x)
    check_answer(logits, task.y, task.criterion)
    if task.drawn is None:
        verdict = judge(task, task.x, logits)
        return verdict._replace(faulty=verdict.faulty.clone())  # an outcome writes into both masks
    tested = task.decide(task.x)
    return Verdict(tested.wrong | tested.undecided, tested.faulty, logits, clear=bool(tested.right.all()))


def _assail(attack: Attack[Any], task: Task, outcome: Outcome) -> None:
    """Attack the samples of `task`, and write the results into `outcome`."""
    state = attack.init(task)
    for k in range(attack.steps + 1):
        verdict = judge(task, state.x, state.logits)
        if not verdict.clear:
            _note_successes(outcome, task, state.x, verdict)
        leaving, some = verdict.adversarial, not verdict.clear
        if (done := getattr(state, "done", None)) is not None:
            leaving, some = leaving | done, True
        if over := k == attack.steps or (some and bool(leaving.all())) or task.stop():
            leaving = torch.ones_like(leaving)
        if over or (some and bool(leaving.any())):
            _note_margins(outcome, task, state.x, verdict.logits, leaving)
            if over:
                break
            task, state = task.only(~leaving), restrict(state, ~leaving)
        state = attack.step(task.during((k + 1) / attack.steps), state, k)


def _note_successes(outcome: Outcome, task: Task, x: Tensor, verdict: Verdict) -> None:
    """Write into `outcome` which iterates x, (n, *features), are adversarial, and which answers are faults."""
    outcome.faulty[task.place[verdict.faulty]] = True
    fallen = task.place[verdict.adversarial]
    outcome.adversarial[fallen] = True
    outcome.x_adv[fallen], outcome.theta[fallen] = lower(task.threat, x[verdict.adversarial])


def _note_margins(outcome: Outcome, task: Task, x: Tensor, logits: Tensor, leaving: Tensor) -> None:
    """Raise the margins of the samples in the mask `leaving`, (n,) bool, to those at their last iterates, if admitted.

    Doing so after every step would cost as much as a projection.
    """
    margin = margin_of(task, logits)
    nearer = leaving & (margin > outcome.margin[task.place])
    larger = nearer.clone()
    nearer[larger] = task.threat_of(larger).admits(x[larger], task.x[larger])
    outcome.margin[task.place[nearer]] = margin[nearer]


def run_steps(attack: Attack[Any], task: Task) -> Tensor:
    """Return the last iterate of every sample, (N, *features), for adversarial training. No sample is dropped."""
    task = lift(task)
    with torch.no_grad():
        state = attack.init(task)
        for k in range(attack.steps):
            state = attack.step(task.during((k + 1) / attack.steps), state, k)
        x, _ = lower(task.threat, state.x)
        return x.detach()


def answers(model: Model, x: Tensor, y: Tensor, seed: int = 0, criterion: Criterion = CLASS) -> tuple[Tensor, Tensor]:
    """Query the model for clean inputs, (N, *features), in evaluation mode.

    Return two masks, each (N,) bool: the answers that are right, and those that are not finite.
    """
    with eval_mode(model, seed), torch.no_grad():
        logits = model(x.clone())
    finite = criterion.finite(logits)
    return finite & criterion.accepts(logits, y), ~finite


def restrict(state: S, keep: Tensor) -> S:
    """Return the state of the samples in the mask, (n,) bool; a field may itself be a state."""
    fields: list[Any] = [
        None if field is None else restrict(field, keep) if isinstance(field, tuple) else field[keep] for field in state
    ]
    return type(state)(*fields)


@contextmanager
def eval_mode(model: Model, seed: int = 0, *, restored: bool = True) -> Iterator[None]:
    """Put the model in evaluation mode with frozen parameters and a seeded random stream for the length of a block.

    Modes, parameters, the global random state, and if `restored` what forwards write on the model, are put back.
    """
    if not isinstance(model, nn.Module):
        with seeded(seed):
            yield
        return
    modes = [(module, module.training) for module in model.modules()]
    trainable = [(p, p.requires_grad) for p in model.parameters()]
    state = kept(model) if restored else nullcontext()
    with seeded(seed, (p.device for p, _ in trainable)), differentiable(model), state:
        try:
            model.eval()
            for parameter, _ in trainable:
                parameter.requires_grad_(False)
            yield
        finally:
            for module, training in modes:
                module.training = training
            for parameter, flag in trainable:
                parameter.requires_grad_(flag)


def fold(r: int, enter_round: Any, task: Task) -> Task:
    """Return the task of a round, with random stream number `r`."""
    entered: Task = enter_round(task.fold(r))
    return entered
