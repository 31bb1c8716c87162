"""Several starts at once: "pgd:starts=8", or "pgd:starts=9:targets=3"."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robust.attacks.combine.targets import rank_wrong
from robust.attacks.engine import Attack
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Cost, Task
from robust.attacks.threats.balls import Balls


class Spread(NamedTuple):
    """The task of all runs: what a sample's runs have in common, repeated, and what they differ in."""

    x: Tensor  # (n, starts, *features)
    y: Tensor  # (n, starts, ...)
    key: Tensor  # (n, starts) int64, of random numbers
    origin: Tensor | None  # (n, starts, *features)
    target: Tensor | None  # (n, starts) int64


class StartsState(NamedTuple):
    """The state: the best of each sample's iterates, and the task and the state of all of them."""

    x: Tensor  # (n, *features)
    logits: Tensor  # (n, classes)
    spread: Spread
    runs: Any  # of the attack, with tensors (n, starts, ...)
    done: Tensor | None  # (n,) bool: no further step changes any of the iterates


@dataclass(frozen=True, slots=True)
class Starts:
    """Run `attack` from several random starts of each sample in one batch.

    It costs the passes of so many restarts and the time of fewer: a step of a few samples takes nearly as long as one
    of several times as many. With `targets` the starts aim at that many wrong classes in turn, those with the largest
    logits at the clean input. ValueError when it runs if the model does not have more classes than targets.
    """

    attack: Attack[Any]
    starts: int = 8  # runs of the attack, each from a random start of its own
    targets: int = 0  # wrong classes that they aim at; 0: at any

    def __post_init__(self) -> None:
        check_at_least_1("starts", self.starts)

    @property
    def steps(self) -> int:
        return self.attack.steps

    def init(self, task: Task) -> StartsState:
        spread = self._spread(task)
        runs = _task_of(task, spread)
        return self._gather(task, spread, runs, self.attack.init(runs))

    def step(self, task: Task, state: StartsState, k: int) -> StartsState:
        runs = _task_of(task, state.spread)
        after = self.attack.step(runs, _reshape(state.runs, lambda field: field.flatten(0, 1)), k)
        return self._gather(task, state.spread, runs, after)

    def _spread(self, task: Task) -> Spread:
        """Repeat the samples of a task, with random numbers and targets of each run's own."""

        def repeat(field: Tensor) -> Tensor:
            return field.unsqueeze(1).repeat_interleave(self.starts, 1)

        target = None if task.target is None else repeat(task.target)
        if self.targets:
            target = rank_wrong(task, self.targets).repeat(1, -(-self.starts // self.targets))[:, : self.starts]
        keys = task.rng.key[:, None] + torch.arange(self.starts, device=task.rng.key.device)
        key = replace(task.rng, key=keys).fold(0).key
        return Spread(repeat(task.x), repeat(task.y), key, None if task.origin is None else repeat(task.origin), target)

    def _gather(self, task: Task, spread: Spread, runs: Task, state: Any) -> StartsState:
        """Return the state with the iterate of the largest margin of each sample, and add up what the runs cost."""
        n, logits = len(task.x), runs.logits(state.x) if state.logits is None else state.logits
        for counter, spent in ((task.cost.forwards, runs.cost.forwards), (task.cost.backwards, runs.cost.backwards)):
            counter.index_add_(0, task.place, spent.view(n, -1).sum(1))
        margin = runs.criterion.margin(logits, runs.y).view(n, -1)
        best = margin.nan_to_num_(-torch.inf).argmax(1) + torch.arange(n, device=margin.device) * self.starts
        done = getattr(state, "done", None)
        over = None if done is None else done.view(n, -1).all(1)
        kept = _reshape(state, lambda field: field.reshape(n, self.starts, *field.shape[1:]))
        return StartsState(state.x[best], logits[best], spread, kept, over)


def _task_of(task: Task, spread: Spread) -> Task:
    """Return the task of all runs, (n * starts) samples, whose passes are counted apart."""
    place = torch.arange(spread.key.numel(), device=task.x.device)
    joined: Spread = _reshape(spread, lambda field: field.flatten(0, 1))
    n, starts = spread.key.shape
    threat = task.threat
    if isinstance(threat, Balls):
        threat = threat.only(torch.arange(n, device=place.device).repeat_interleave(starts))
    return replace(
        task,
        x=joined.x,
        y=joined.y,
        threat=threat,
        place=place,
        cost=Cost(torch.zeros_like(place), torch.zeros_like(place)),
        rng=replace(task.rng, key=joined.key),
        origin=joined.origin,
        target=joined.target,
    )


def _reshape(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return the state with every tensor changed; a field may itself be a state, or None."""
    fields = [
        None if field is None else _reshape(field, change) if isinstance(field, tuple) else change(field)
        for field in state
    ]
    return type(state)(*fields)
