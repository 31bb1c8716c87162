"""evolve: a search among the admitted rows of a table, by queries alone; after MoEvA2 of CAA (2406.00775).

Each sample has a population of rows. Every row is repaired before the model is asked, so that there is one thing to
search for, the margin, where MoEvA2 weighs it against broken constraints and the distance.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.grammar.features import FEATURES
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng
from robust.attacks.spec import check_at_least_1
from robust.attacks.success import margin_of
from robust.attacks.task import Task
from robust.attacks.threats.features import of_table
from robust.attacks.threats.rows import Limits

GREEDY = 0.5  # share of the children that come of the best row
HELD = 1.0  # share of the other features, at most, that a relation does not move either
SEVERAL = 3  # features that a mutation changes at most


class EvolveState(NamedTuple):
    """The state: the row that was asked last, and the population."""

    x: Tensor
    logits: Tensor
    rows: Tensor  # (n, population, d)
    fitness: Tensor  # (n, population): the margins; -inf where nothing was asked yet


@ATTACKS.register("evolve")
@dataclass(frozen=True, slots=True)
class Evolve:
    """Ask the model for one child of the population a step, and put it in place of the worst row.

    Every second child is the best row with one feature at an end of its range, feature after feature; the others are
    mixed of two rows, and changed at random in a few features. Only margins are used, so it is for any model.
    """

    steps: int = 300  # queries of the model
    population: int = 20
    families: ClassVar[tuple[str, ...]] = (FEATURES,)

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if self.population < 2:
            raise ValueError(f"population must be at least 2, got {self.population}")

    def init(self, task: Task) -> EvolveState:
        x = task.start(0.0)
        logits = task.logits(x)
        rows = x[:, None].repeat(1, self.population, 1)
        fitness = torch.full(rows.shape[:2], -torch.inf).to(x)
        fitness[:, 0] = margin_of(task, logits)
        return EvolveState(x, logits, rows, fitness)

    def step(self, task: Task, state: EvolveState, k: int) -> EvolveState:
        rng, threat = task.rng.fold(k), of_table(task.threat)
        limits = threat.limit(task.x)
        if k + 1 < self.population:
            child = threat.sample(task.x, rng)
        else:
            child, changed = self._breed(task, state, limits, rng, k)
            idle = rng.fold(8).uniform(task.x) < HELD * rng.fold(9).uniform(task.x[:, :1])
            child = threat.settle(child, task.x, changed | idle)
        logits = task.logits(child)
        margin = margin_of(task, logits)
        at, top = torch.arange(len(child), device=child.device), state.fitness.argmax(1)
        # As good as the best, it takes its place: where answers are steps, as of trees, the search drifts.
        worst = torch.where(margin == state.fitness[at, top], top, state.fitness.argmin(1))
        better = margin >= state.fitness[at, worst]
        rows, fitness = state.rows.clone(), state.fitness.clone()
        rows[at[better], worst[better]], fitness[at[better], worst[better]] = child[better], margin[better]
        return EvolveState(child, logits, rows, fitness)

    def _breed(self, task: Task, state: EvolveState, limits: Limits, rng: Rng, k: int) -> tuple[Tensor, Tensor]:
        """Return the child of step k, and which of its values were changed, (n, d) bool."""
        best = _take(state.rows, state.fitness.argmax(1))
        if k % 2:
            child = self._sweep(task, best, limits, (k - self.population) // 2)
            return child, child != best
        return self._mix(task, state, limits, rng)

    def _sweep(self, task: Task, best: Tensor, limits: Limits, k: int) -> Tensor:
        """Return the best row with one feature at an end of its range: sweep k goes up and down, feature by feature."""
        feature, up = (k // 2) % best.shape[1], k % 2 == 0
        child = best.clone()
        child[:, feature] = (limits.high if up else limits.low)[:, feature].to(child.dtype)
        for members in of_table(task.threat).columns.groups:
            if up and bool((members == feature).any()):
                child[:, members] = (members == feature).to(child)
        return torch.where(limits.free, child, best)

    def _mix(self, task: Task, state: EvolveState, limits: Limits, rng: Rng) -> tuple[Tensor, Tensor]:
        """Return a child of two rows, changed in a few features: to an end of the range, at random, or back to x."""
        x, shape = task.x, state.fitness
        one = _take(state.rows, (rng.fold(0).uniform(shape[:, :1])[:, 0] * self.population).long())
        best = _take(state.rows, state.fitness.argmax(1))
        parent = torch.where(rng.fold(1).uniform(shape[:, :1]) < GREEDY, best, one)
        other = _take(state.rows, (rng.fold(2).uniform(shape[:, :1])[:, 0] * self.population).long())
        child = torch.where(rng.fold(3).uniform(x.nan_to_num(0.0)) < 0.25, other, parent)
        kind, share = rng.fold(4).uniform(x), rng.fold(5).uniform(x).to(torch.float64)
        drawn = limits.low + share * (limits.high - limits.low)
        end = torch.where(share < 0.5, limits.low, limits.high)
        changed = torch.where(kind < 0.5, end, torch.where(kind < 0.8, drawn, x.to(torch.float64)))
        count = 1 + SEVERAL * rng.fold(6).uniform(shape[:, :1])
        chosen = rng.fold(7).uniform(x) * limits.free.sum(1, keepdim=True) < count
        return torch.where(chosen & limits.free, changed.to(child.dtype), child), chosen & limits.free


def _take(rows: Tensor, at: Tensor) -> Tensor:
    """Return one row of each population, (n, d)."""
    return rows[torch.arange(len(rows), device=rows.device), at]
