"""Task, the Attack protocol, and the drivers: the only loops of the project.

An attack is a frozen dataclass of options with two pure methods, `init` and `step`. A driver runs them: `assail` for
evaluation drops a sample as soon as it falls, `climb` for training keeps all to the last step. The driver judges
success itself, by the threat model and the model's own answer, so an attack cannot claim what did not happen.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from robust.attacks.losses import Loss
from robust.attacks.rng import Rng, seeded
from robust.attacks.threat import LpThreat

Model = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Cost:
    """Samples sent through the model, forward and backward, for each sample of the whole batch."""

    forwards: Tensor  # (N,) int64
    backwards: Tensor  # (N,) int64


@dataclass(frozen=True, slots=True)
class Task:
    """What an attack works on: the model, the inputs that still stand, their labels, and what is allowed."""

    model: Model
    x: Tensor  # (n, *features), the clean inputs
    y: Tensor  # (n,) int64
    threat: LpThreat
    rng: Rng
    cost: Cost  # of all N samples that the task began with
    place: Tensor  # (n,) int64: where the n samples stand among these N

    @classmethod
    def of(cls, model: Model, x: Tensor, y: Tensor, threat: LpThreat, rng: Rng) -> "Task":
        place = torch.arange(len(x), device=x.device)
        return cls(model, x, y, threat, rng, Cost(torch.zeros_like(place), torch.zeros_like(place)), place)

    def logits(self, x: Tensor) -> Tensor:
        """The model's answer at x, (n, classes), detached."""
        self.cost.forwards[self.place] += 1
        with torch.no_grad():
            return self.model(x.clone())  # a copy, for models that work in place

    def ascent(self, x: Tensor, loss: Loss) -> tuple[Tensor, Tensor, Tensor]:
        """(logits (n, classes), loss (n,), d loss / d x (n, *features)) at x, all detached."""
        self.cost.forwards[self.place] += 1
        self.cost.backwards[self.place] += 1
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            logits = self.model(x.clone())
            value = loss(logits, self.y)
            (grad,) = torch.autograd.grad(value.sum(), x)
        # A gradient that is not a number must not carry the iterate away: that coordinate stays where it is.
        return logits.detach(), value.detach(), grad.nan_to_num(0.0)

    def only(self, keep: Tensor) -> "Task":
        """The task of the samples in the mask `keep`, (n,) bool; their cost is still counted in the whole."""
        x, y, place = self.x[keep], self.y[keep], self.place[keep]
        return replace(self, x=x, y=y, rng=self.rng.only(keep), place=place)

    def fold(self, k: int) -> "Task":
        """The same task with random stream number `k`."""
        return replace(self, rng=self.rng.fold(k))


class Ascent(NamedTuple):
    """The state of a gradient attack; every tensor leads with the batch axis."""

    x: Tensor  # (n, *features), the iterate
    logits: Tensor | None  # (n, classes) at x; None where the attack did not ask the model
    grad: Tensor  # (n, *features), of the loss at x


S = TypeVar("S", bound=tuple[Any, ...])  # a NamedTuple like Ascent: .x, .logits, and what else the attack needs


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attack did to a batch, sample by sample, as judged by the driver."""

    fallen: Tensor  # (N,) bool: an admitted input with a finite, wrong answer was found
    x_adv: Tensor  # (N, *features): that input where fallen, x elsewhere
    faulty: Tensor  # (N,) bool: the model answered something not finite on the way; never a success of the attack
    cost: Cost


def assail(
    model: Model,
    attack: Attack[Any],
    x: Tensor,
    y: Tensor,
    threat: LpThreat,
    *,
    seed: int = 0,
    index: Tensor | None = None,
) -> Outcome:
    """Attack every sample until it falls or the attack ends.

    x is (N, *features) within the threat's bounds, y (N,) int64, `index` (N,) the samples' numbers in their data set
    (by default 0..N-1): with the seed they fix all that is random. The model is used in evaluation mode, and its
    modes, gradients and parameters and the global random state are left as found. ValueError where x leaves the
    threat's bounds: nothing near it could be admitted, and the model would look robust.
    """
    if len(x) and not (x.amin() >= threat.lo and x.amax() <= threat.hi):
        told = f"from {x.amin():g} to {x.amax():g}, the bounds are [{threat.lo:g}, {threat.hi:g}]"
        raise ValueError(f"the inputs go {told}; give the threat model the bounds of the data, or scale the data")
    index = torch.arange(len(x), device=x.device) if index is None else index
    with still(model, seed), torch.no_grad():
        return _assail(attack, Task.of(model, x, y, threat, Rng.of(seed, index)))


def _assail(attack: Attack[Any], task: Task) -> Outcome:
    x_adv = task.x.clone()
    fallen = torch.zeros(len(x_adv), dtype=torch.bool, device=x_adv.device)
    faulty = fallen.clone()
    state = attack.init(task)
    for k in range(attack.steps + 1):
        logits = task.logits(state.x) if state.logits is None else state.logits
        finite = logits.isfinite().all(1)
        down = finite & (logits.argmax(1) != task.y)
        down[down.clone()] = task.threat.admits(state.x[down], task.x[down])
        faulty[task.place[~finite]] = True
        fallen[task.place[down]] = True
        x_adv[task.place[down]] = state.x[down]
        if k == attack.steps or bool(down.all()):
            break
        if bool(down.any()):
            task, state = task.only(~down), _only(state, ~down)
        state = attack.step(task, state, k)
    return Outcome(fallen, x_adv, faulty, task.cost)


def climb(attack: Attack[Any], task: Task) -> Tensor:
    """The last iterate of every sample, (N, *features): what adversarial training learns from. No sample is dropped."""
    with torch.no_grad():
        state = attack.init(task)
        for k in range(attack.steps):
            state = attack.step(task, state, k)
        x: Tensor = state.x
        return x.detach()


def answers(model: Model, x: Tensor, y: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Of clean inputs: (answered right, answered with something not finite), each (N,) bool."""
    with still(model, seed), torch.no_grad():
        logits = model(x.clone())
    finite = logits.isfinite().all(1)
    return finite & (logits.argmax(1) == y), ~finite


def _only(state: S, keep: Tensor) -> S:
    fields: list[Any] = [None if field is None else field[keep] for field in state]
    return type(state)(*fields)


@contextmanager
def still(model: Model, seed: int = 0) -> Iterator[None]:
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
