"""The driver that brings adversarial inputs nearer: attacks take turns on what the ones before have found.

A `Search` holds the nearest input of each sample of a batch. Each of its methods runs one attack, and keeps what is
nearer; the driver judges, so a distance is always that of an input that was answered wrong.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial

import torch
from torch import Tensor

from robust.attacks.combine.until import Until
from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.descent import Descent
from robust.attacks.engine import AnyAttack, Outcome, Round, assail, eval_mode, rounds_of, start
from robust.attacks.geometry import per_sample
from robust.attacks.min_norm import MinNormResult, approach, exact_type, note_nearer
from robust.attacks.rng import Rng
from robust.attacks.success import judge
from robust.attacks.task import Model, Task
from robust.attacks.threats.balls import Balls
from robust.attacks.threats.lp import LpThreat

CLEAR = 2e-5  # an input is left so far, as a share of the distance, behind the boundary: rounding must not decide
POLISH = Descent(15, first=0.1)  # of an input that was found within a smaller ball
MOST = 8  # attacks of a sample in one call, each in a smaller ball
WIDEST = 0.5  # of the distance: the longest step inwards of a search by queries


@dataclass(slots=True)
class Search:
    """The nearest adversarial inputs so far of a batch: x (N, *features), y (N,), all of which are answered right."""

    model: Model
    x: Tensor
    y: Tensor
    threat: LpThreat  # the largest ball that counts
    rng: Rng
    result: MinNormResult  # what is known, which is written into
    yielding: Tensor  # (N,) bool: of which an attack within a smaller ball has found a nearer input
    stop: Callable[[], bool] = field(default=lambda: False)
    criterion: Criterion = CLASS

    def approach(self, attack: AnyAttack, *, polish: bool = False) -> None:
        """Run an attack that seeks the smallest perturbation, from the clean inputs and in the whole box.

        `polish` refines what is nearer than what was known.
        """
        before = self.result.distance.clone()
        with eval_mode(self.model, self.rng.seed), torch.no_grad():
            for round_attack, enter_round in rounds_of(Until(attack, self.stop)):
                task = enter_round(self._task())
                if len(task.x) and not task.stop():
                    approach(round_attack, task, self.result)
        if polish:
            self.refine(self.result.distance < before)

    def descend(self, descent: Descent, which: Tensor | None = None) -> None:
        """Refine what was found, of the samples in the mask `which`, (N,) bool; by default of all."""
        with eval_mode(self.model, self.rng.seed), torch.no_grad():
            task = self._found(which)
            if len(task.x):
                origin = self.result.x_adv[task.place]
                approach(descent, replace(task, origin=origin, stop=self.stop), self.result)

    def to_boundary(self, halvings: int, which: Tensor | None = None) -> None:
        """Search the segment from the clean input to the nearest adversarial one for where the answer turns wrong."""
        with eval_mode(self.model, self.rng.seed), torch.no_grad():
            task = self._found(which)
            if not len(task.x):
                return
            x_adv = self.result.x_adv[task.place]
            low, high = torch.zeros(len(task.x)).to(x_adv), torch.ones(len(task.x)).to(x_adv)
            for _ in range(halvings):
                middle = (low + high) / 2
                wrong = judge(task, task.x.lerp(x_adv, per_sample(middle, task.x)), None).adversarial
                low, high = torch.where(wrong, low, middle), torch.where(wrong, middle, high)
            nearer = task.x.lerp(x_adv, per_sample((high * (1 + CLEAR)).clamp_max(1), task.x))
            note_nearer(self.result, task, nearer, judge(task, nearer, None))

    def refine(self, which: Tensor | None = None) -> None:
        """Refine what was just found, of the samples in the mask `which`, (N,) bool; by default of all."""
        self.descend(POLISH, which)
        self.to_boundary(10, which)

    def within(self, attack: AnyAttack, share: float, *, again: bool = False) -> None:
        """Attack in balls of that share of each sample's distance, or up to the largest that counts; refine hits.

        What was hit is marked as yielding, and attacked again, from other random starts, while that hits. `again`
        attacks only the samples that are marked already.
        """
        wanted = self.yielding.clone() if again else torch.ones_like(self.yielding)
        for r in range(MOST):
            if not bool(wanted.any()) or self.stop():
                break
            wanted = self._within(attack, share, wanted, stream=r)
            self.yielding |= wanted

    def inwards(self, attack: AnyAttack, step: float) -> None:
        """Attack in balls smaller by the share `step`, from where the nearest inputs lie; again where that pays.

        Each success doubles the step. A search by queries so comes near where gradients mislead: it goes on from what
        is known, and has to change little.
        """
        wanted, r = torch.ones_like(self.yielding), 0
        while bool(wanted.any()) and not self.stop():
            wanted = self._within(attack, 1 - min(step * 2**r, WIDEST), wanted, stream=r, onward=True)
            r += 1

    def _within(self, attack: AnyAttack, share: float, wanted: Tensor, *, stream: int, onward: bool = False) -> Tensor:
        """Attack the wanted samples, (N,) bool, in balls of that share of their distances; return where that hit."""
        radius = (share * self.result.distance).clamp_max(float(self.threat.eps))
        left = wanted & (self.result.distance > 0) & (radius > _least(self.threat, self.x))
        if not bool(left.any()) or self.stop():
            return torch.zeros_like(left)
        x, radius = self.x[left], radius[left]
        eps = Fraction(float(radius.amax()))
        balls = Balls(self.threat.norm, eps, self.threat.lo, self.threat.hi, share=radius / float(eps))
        rng = self.rng.fold(stream) if stream else self.rng
        rng = rng.only(left)
        tried: AnyAttack = _From(attack, self._shrink(left, balls, rng)) if onward else attack
        tried = Until(tried, self.stop)
        found = assail(self.model, tried, x, self.y[left], balls, seed=rng, criterion=self.criterion)
        return self._take(found, left, balls)

    def _shrink(self, left: Tensor, balls: Balls, rng: Rng) -> Tensor:
        """Return the nearest inputs, drawn into these balls; random points where none is known."""
        x, distance = self.x[left], self.result.distance[left]
        share = (balls.radius.to(distance) / distance).clamp_max(1).to(x)  # 0 where the distance is not finite
        drawn = x.lerp(self.result.x_adv[left], per_sample(share, x))
        return torch.where(per_sample(distance.isfinite(), x), drawn, balls.sample(x, rng))

    def _take(self, found: Outcome, left: Tensor, balls: Balls) -> Tensor:
        """Take what is nearer of what was found for the samples `left`, (N,) bool, and refine it; return where."""
        x, exact = self.x[left], exact_type(self.x)
        distance = balls.size(found.x_adv.to(exact), x.to(exact))
        better, hit = found.adversarial & (distance < self.result.distance[left]), left.clone()
        hit[left] = better
        self.result.distance[hit], self.result.x_adv[hit] = distance[better], found.x_adv[better]
        self.result.faulty[left] |= found.faulty
        self.result.cost.forwards[left] += found.cost.forwards
        self.result.cost.backwards[left] += found.cost.backwards
        self.refine(hit)
        return hit

    def _task(self) -> Task:
        """Return the task of all samples but those at distance 0, in a ball that holds the box."""
        widest = LpThreat.widest(self.threat.norm, self.x, self.threat.lo, self.threat.hi)
        task = replace(start(self.model, self.x, self.y, widest, self.rng, self.criterion), cost=self.result.cost)
        return task.only(self.result.distance > 0)

    def _found(self, which: Tensor | None) -> Task:
        """Return the task of those of which an adversarial input is known."""
        task = self._task()
        known = self.result.distance.isfinite() if which is None else which & self.result.distance.isfinite()
        return task.only(known[task.place])


@dataclass(frozen=True, slots=True)
class _From:
    """Run `attack` from these inputs, one of each sample that it is begun with."""

    attack: AnyAttack
    origin: Tensor

    def rounds(self) -> Iterator[Round]:
        """Yield the rounds of the attack."""
        for attack, enter_round in rounds_of(self.attack):
            yield Round(attack, partial(self._enter, enter_round))

    def _enter(self, enter_round: Callable[[Task], Task], task: Task) -> Task:
        entered = enter_round(task)
        return replace(entered, origin=self.origin[entered.place])


def _least(threat: LpThreat, x: Tensor) -> float:
    """Return a radius below which rounding would matter."""
    step = torch.finfo(x.dtype).eps * max(abs(threat.lo), abs(threat.hi))
    features = x[0].numel()
    terms = {"linf": 1.0, "l2": math.sqrt(features), "l1": float(features)}[threat.norm]
    return 20 * step * terms
