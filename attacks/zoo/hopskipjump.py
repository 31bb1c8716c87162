"""HopSkipJump: along the decision boundary by labels alone (Chen, Jordan and Wainwright 2019, 1904.02144)."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import length_of
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task

START, BISECT, ESTIMATE, MOVE = range(4)  # what the last query was for
FIRST_REACH = 0.1  # of the width of the bounds: how far the first round's estimates lie from the boundary
HALVINGS = 30  # of a move that leads to no wrong answer, before the next round begins at the same point
POWER = {"l2": -1.5, "linf": -2.0}  # of the number of features: the precision of a search, as a share of its span
FINEST = 1e-6  # such a share that float32 can still tell
INSIDE = 1 - 1e-5  # of the radius: a query at the edge of the ball keeps inside it, whatever the rounding
TINY = 1e-30


class HopState(NamedTuple):
    """The state: the last query, and for each sample the point on the boundary, and what the next query is for."""

    x: Tensor
    logits: Tensor
    phase: Tensor  # (n,) int64
    round: Tensor  # (n,) int64: from 1
    taken: Tensor  # (n,) int64: of the estimates, or of the halvings of a move
    far: Tensor  # (n, features): answered wrong; the boundary is searched between it and the clean x
    span: Tensor  # (n,): the distance between these two
    low: Tensor  # (n,): the share of the span at which the answer is right
    high: Tensor  # (n,): the share at which it is wrong
    asked: Tensor  # (n,): the share of the last query
    edge: Tensor  # (n, features): answered wrong, next to the boundary
    reach: Tensor  # (n,): the distance of the estimates from the edge, or the length of a move
    votes: Tensor  # (n,): the sum of the answers of this round, 1 if wrong and -1 if right
    drift: Tensor  # (n, features): the sum of its directions
    pull: Tensor  # (n, features): the sum of its directions, each times its answer
    way: Tensor  # (n, features): where the move leads


@ATTACKS.register("hopskipjump")
@dataclass(frozen=True, slots=True)
class HopSkipJump:
    """Estimate the boundary's slope by the labels of points around one on it, move along, and return to the boundary.

    It begins at noise that is answered wrong, and makes one query a step. For linf and l2.
    """

    steps: int = 5000  # queries of the model, at most
    estimates: int = 100  # points of the first round; of round number t the root of t times as many
    gamma: float = 1.0  # the precision of a search for the boundary, and the distance of the points from it
    maps: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        check_at_least_1("estimates", self.estimates)
        if not self.gamma > 0:
            raise ValueError(f"gamma must be above 0, got {self.gamma:g}")

    def init(self, task: Task) -> HopState:
        """Return the first state, at `task.origin`, else at noise. ValueError for l1."""
        if task.threat.norm not in ("linf", "l2"):
            raise ValueError(f"hopskipjump is for linf and l2, the threat is {task.threat.norm}; use square or noise")
        x = _draw_noise(task, task.rng, 0) if task.origin is None else task.origin.flatten(1)
        none, zero = torch.zeros_like(x[:, 0]), torch.zeros_like(x)
        first = torch.zeros_like(none, dtype=torch.int64)
        at = x.view_as(task.x)
        logits = task.logits(at)
        return HopState(at, logits, first, first + 1, first, x, none, none, none, none, x, none, none, zero, zero, zero)

    def step(self, task: Task, state: HopState, k: int) -> HopState:
        fooled = ~task.criterion.accepts(state.logits, task.y)
        state = _count_votes(state, fooled)
        state = self._halve(task, state, fooled)
        state = self._search(task, state, fooled)
        state = self._turn(task, state)
        x = _ask(task, state, k + 1)
        return state._replace(x=x, logits=task.logits(x))

    def _halve(self, task: Task, state: HopState, fooled: Tensor) -> HopState:
        """Halve a move that led to no wrong answer; after many of these the next round begins at the same point."""
        failed = (state.phase == MOVE) & ~fooled
        taken = torch.where(failed, state.taken + 1, state.taken)
        reach = torch.where(failed, state.reach / 2, state.reach)
        over = failed & (taken >= HALVINGS)
        state = state._replace(taken=taken, reach=reach, round=torch.where(over, state.round + 1, state.round))
        return self._begin_round(task, state, over)

    def _search(self, task: Task, state: HopState, fooled: Tensor) -> HopState:
        """Narrow the searches for the boundary, begin those of wrong answers far from it, and end the precise ones."""
        within = state.phase == BISECT
        begun = fooled & ((state.phase == START) | (state.phase == MOVE))
        high = torch.where(within & fooled, state.asked, state.high).masked_fill(begun, 1.0)
        low = torch.where(within & ~fooled, state.asked, state.low).masked_fill(begun, 0.0)
        far = torch.where(begun[:, None], state.x.flatten(1), state.far)
        span = torch.where(begun, task.threat.size(state.x, task.x), state.span)
        # The first query of a search is at the edge of the ball, where a wrong answer ends the attack.
        share = float(task.threat.eps) / span.clamp_min(TINY)
        asked = torch.where(begun & (share < 1), share * INSIDE, (low + high) / 2)
        later = begun & (state.phase == MOVE)
        state = state._replace(
            phase=state.phase.masked_fill(begun, BISECT),
            round=torch.where(later, state.round + 1, state.round),
            **{"high": high, "low": low, "far": far, "span": span, "asked": asked},
        )
        precise = within & (high - low <= max(self.gamma * far.shape[1] ** POWER[task.threat.norm], FINEST))
        edge = torch.where(precise[:, None], _blend(task, state, high), state.edge)
        return self._begin_round(task, state._replace(edge=edge), precise)

    def _begin_round(self, task: Task, state: HopState, which: Tensor) -> HopState:
        """Let the samples in the mask, (n,) bool, begin to estimate the slope at their edge."""
        if not bool(which.any()):
            return state
        near = self.gamma * state.span / state.edge.shape[1]
        reach = torch.where(state.round == 1, FIRST_REACH * (task.threat.hi - task.threat.lo), near)
        return state._replace(
            phase=state.phase.masked_fill(which, ESTIMATE),
            taken=state.taken.masked_fill(which, 0),
            reach=torch.where(which, reach, state.reach),
            votes=state.votes.masked_fill(which, 0),
            drift=state.drift.masked_fill(which[:, None], 0),
            pull=state.pull.masked_fill(which[:, None], 0),
        )

    def _turn(self, task: Task, state: HopState) -> HopState:
        """Let the samples with enough estimates move along the slope that these show."""
        wanted = (self.estimates * state.round.double().sqrt()).long()
        which = (state.phase == ESTIMATE) & (state.taken >= wanted)
        if not bool(which.any()):
            return state
        slope = state.pull - (state.votes / state.taken.clamp_min(1))[:, None] * state.drift
        alike = state.votes.abs() == state.taken  # all answers the same: then the mean direction, as they are answered
        slope = torch.where(alike[:, None], state.pull, slope)
        slope = slope.sign() if task.threat.norm == "linf" else slope / length_of("l2", slope).clamp_min(TINY)[:, None]
        length = task.threat.size(state.edge.view_as(task.x), task.x) / state.round.to(state.reach).sqrt()
        return state._replace(
            phase=state.phase.masked_fill(which, MOVE),
            taken=state.taken.masked_fill(which, 0),
            reach=torch.where(which, length, state.reach),
            way=torch.where(which[:, None], slope, state.way),
        )


def _count_votes(state: HopState, fooled: Tensor) -> HopState:
    """Return the state with the answers to the estimates among its last queries."""
    which = state.phase == ESTIMATE
    if not bool(which.any()):
        return state
    vote = torch.where(fooled, 1.0, -1.0).to(state.reach) * which
    # As the bounds have cut it; of the other samples nothing is added.
    turn = (state.x.flatten(1) - state.edge) / state.reach.clamp_min(TINY)[:, None] * which[:, None]
    return state._replace(
        taken=state.taken + which,
        votes=state.votes + vote,
        drift=state.drift + turn,
        pull=state.pull + vote[:, None] * turn,
    )


def _ask(task: Task, state: HopState, k: int) -> Tensor:
    """Return the next queries, (n, *features), within the bounds."""
    phase, ways = state.phase[:, None], state.way
    if bool((state.phase == ESTIMATE).any()):
        rng = task.rng.fold(k)
        drawn = rng.normal(ways) if task.threat.norm == "l2" else 2 * rng.uniform(ways) - 1
        drawn = drawn / length_of("l2", drawn).clamp_min(TINY)[:, None]
        ways = torch.where(phase == ESTIMATE, drawn, ways)
    x = state.edge + state.reach[:, None] * ways
    x = torch.where(phase == BISECT, _blend(task, state, state.asked), x)
    if bool((state.phase == START).any()):
        x = torch.where(phase == START, _draw_noise(task, task.rng.fold(k), k), x)
    return task.threat.clip(x).view_as(task.x)


def _blend(task: Task, state: HopState, share: Tensor) -> Tensor:
    """Return the points at a share, (n,), of the distance from the clean x to the far end, (n, features)."""
    way = state.far - task.x.flatten(1)
    if task.threat.norm == "l2":
        return task.x.flatten(1) + share[:, None] * way
    reach = (share * state.span)[:, None]
    return task.x.flatten(1) + torch.maximum(torch.minimum(way, reach), -reach)


def _draw_noise(task: Task, rng: Rng, k: int) -> Tensor:
    """Draw points of the bounds, (n, features): each number by itself first, then ever longer runs of one number."""
    flat = task.x.flatten(1)
    run = 2 ** (k % (int(math.log2(flat.shape[1])) + 1))
    noise = rng.uniform(flat)[:, torch.arange(flat.shape[1], device=flat.device) // run]
    return task.threat.clip(task.threat.lo + (task.threat.hi - task.threat.lo) * noise)
