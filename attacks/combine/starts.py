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


class StartsState(NamedTuple):
    """The state: the best of each sample's iterates, and the state of each of them."""

    x: Tensor  # (n, *features)
    logits: Tensor  # (n, classes)
    target: Tensor | None  # (n, starts) int64
    runs: Any  # of the attack, with tensors (n, starts, ...)
    done: Tensor  # (n,) bool: no further step changes any of the iterates


@dataclass(frozen=True, slots=True)
class Starts:
    """Run `attack` from several random starts of each sample in one batch.

    It costs the passes of so many restarts and the time of fewer: a step of a few samples takes nearly as long as one of
    several times as many. With `targets` the starts aim at that many wrong classes in turn, those with the largest
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
        target = None
        if self.targets:
            target = rank_wrong(task, self.targets).repeat(1, -(-self.starts // self.targets))[:, : self.starts]
        spread = self._spread(task, target)
        return self._gather(task, spread, target, self.attack.init(spread))

    def step(self, task: Task, state: StartsState, k: int) -> StartsState:
        spread = self._spread(task, state.target)
        runs = self.attack.step(spread, _reshape(state.runs, lambda field: field.flatten(0, 1)), k)
        return self._gather(task, spread, state.target, runs)

    def _spread(self, task: Task, target: Tensor | None) -> Task:
        """Return the task of all runs, (n * starts) samples, whose passes are counted apart."""

        def spread(field: Tensor) -> Tensor:
            return field.repeat_interleave(self.starts, 0)

        place = torch.arange(len(task.x) * self.starts, device=task.x.device)
        cost = Cost(torch.zeros_like(place), torch.zeros_like(place))
        key = task.rng.key[:, None] + torch.arange(self.starts, device=task.rng.key.device)
        origin = None if task.origin is None else spread(task.origin)
        aim = task.target if target is None else target
        return replace(
            task,
            x=spread(task.x),
            y=spread(task.y),
            place=place,
            cost=cost,
            rng=replace(task.rng, key=key.flatten()).fold(0),
            origin=origin,
            target=None if aim is None else aim.flatten() if aim.dim() > 1 else spread(aim),
        )

    def _gather(self, task: Task, spread: Task, target: Tensor | None, runs: Any) -> StartsState:
        """Return the state with the iterate of the largest margin of each sample, and add up what the runs cost."""
        n, logits = len(task.x), spread.logits(runs.x) if runs.logits is None else runs.logits
        task.cost.forwards.index_add_(0, task.place, spread.cost.forwards.view(n, -1).sum(1))
        task.cost.backwards.index_add_(0, task.place, spread.cost.backwards.view(n, -1).sum(1))
        margin = spread.criterion.margin(logits, spread.y).view(n, -1)
        best = margin.nan_to_num(-torch.inf).argmax(1) + torch.arange(n, device=margin.device) * self.starts
        done = getattr(runs, "done", None)
        over = torch.zeros_like(best, dtype=torch.bool) if done is None else done.view(n, -1).all(1)
        x = runs.x[best]
        return StartsState(x, logits[best], target, _reshape(runs, lambda field: field.unflatten(0, (n, -1))), over)


def _reshape(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return the state with every tensor changed; a field may itself be a state, or None."""
    fields = [
        None if field is None else _reshape(field, change) if isinstance(field, tuple) else change(field)
        for field in state
    ]
    return type(state)(*fields)
