"""What the signs are looked for in: a row's outcomes on a sub-sample, and what more attacks do there."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.engine import AnyAttack, eval_mode
from robust.attacks.factory import no_models
from robust.attacks.rng import Rng
from robust.attacks.spec import Spec
from robust.attacks.task import Model, Task
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import Threat
from robust.data.dataset import Samples
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import AttackResult, measure_attack
from robust.flags import Flags
from robust.records.trust import NotApplicableError
from robust.trust.gradients import GradientTrace, join_traces, linearity, trace_gradients

T = TypeVar("T")

BLIND = ("noise", "square")  # attacks that ask for no gradient
MAX_SPECS = 2  # of the row's attacks that are run again: a suite's first stages do most of its work
DRAWN = 1e-3  # of the answers' size; kernels on a GPU add in any order, far below this
WALKED = 64  # samples whose gradients are looked at on an attack's whole way


@dataclass(frozen=True)
class AttackProbe:
    """A model, m of its samples, and what the row's attacks did to them."""

    module: nn.Module
    samples: Samples  # m
    correct: Flags  # (m,): answered right without an attack
    adversarial: Flags  # (m,): by any of the row's attacks
    threat: Threat
    attacks: tuple[str, ...]  # the row's, or its suite's stages, as words
    classes: int
    seed: int
    feed: Batcher
    load: Callable[[str], Model] = no_models  # makes a model of a surrogate's word
    partial: bool = False  # the row's attacks were stopped before their end

    @property
    def standing(self) -> Flags:
        """(m,): answered right, and broken by none of the row's attacks."""
        return self.correct & ~self.adversarial

    @cached_property
    def follows(self) -> tuple[str, ...]:
        """Those of the row's attacks that follow the model's gradient."""
        specs = [(word, Spec.parse(word)) for word in self.attacks]
        return tuple(w for w, s in specs if s.name not in BLIND and "surrogate" not in dict(s.options))

    @property
    def white(self) -> tuple[str, ...]:
        """The same; NotApplicableError where there are none, so that the figure does not rest on gradients."""
        if not self.follows:
            raise NotApplicableError("no attack of the row follows the model's gradient")
        return self.follows

    @property
    def ball(self) -> LpThreat:
        """The threat model; NotApplicableError where it is a union of several."""
        if not isinstance(self.threat, LpThreat):
            raise NotApplicableError("the threat model is a union")
        return self.threat

    @cached_property
    def ways(self) -> tuple[GradientTrace, ...]:
        """The ways that the row's first attacks go from a few samples that stand."""
        few = self.first_standing(WALKED)
        if not few.any():
            return ()
        return tuple(
            trace_gradients(word, lambda work: self.tasks(work, few), self.load) for word in self.white[:MAX_SPECS]
        )

    @cached_property
    def draws(self) -> bool:
        """Whether the model answers the same inputs otherwise the second time."""
        first, second = (self.answers(seed) for seed in (0, 1))
        return float((first - second).abs().max()) > DRAWN * max(float(first.abs().max()), 1e-12)

    @cached_property
    def promises(self) -> dict[str, Tensor]:
        """What gradients keep of what they promise, at the clean inputs that stand and at random ones nearby."""
        if self.draws:
            raise NotApplicableError("the model draws at random: what a step gains does not follow from its gradient")
        _ = self.white
        shares = {"clean": 0.0, "random": 1.0}
        return {
            where: join_traces(self.tasks(partial(linearity, share=s), self.standing)) for where, s in shares.items()
        }

    @property
    def x(self) -> Tensor:
        """(m, *shape), on the model's device."""
        return torch.from_numpy(self.samples.x).to(self.feed.device)

    def answers(self, seed: int = 0) -> Tensor:
        """The model's answers to the samples, (m, classes); what it draws at random it draws from the seed."""

        def batch(x: Tensor, y: Tensor, index: Tensor) -> Tensor:
            with eval_mode(self.module, self.seed + seed), torch.no_grad():
                found: Tensor = self.module(x.clone())
                return found.cpu()

        return torch.cat(self.feed.each(batch, self.samples))

    def first(self, m: int) -> "AttackProbe":
        """The trial of the first m samples."""
        samples = self.samples.take(np.arange(min(m, len(self.samples))))
        return replace(self, samples=samples, correct=self.correct[:m], adversarial=self.adversarial[:m])

    def first_standing(self, n: int) -> Flags:
        """(m,): the first n of those that stand."""
        return self.standing & (np.cumsum(self.standing) <= n)

    def measure(self, attack: str | AnyAttack, on: Flags, threat: Threat | None = None, seed: int = 0) -> AttackResult:
        """What one more attack does to the samples in the mask `on`; judged as those of the row were.

        With another `seed` its random numbers are not those of the row's.
        """
        return measure_attack(
            self.module,
            self.samples,
            on,
            attack,
            threat or self.threat,
            seed=self.seed + seed,
            feed=self.feed,
            load=self.load,
        )

    def tasks(self, work: Callable[[Task], T], on: Flags) -> list[T]:
        """`work` on the task of each batch of the samples in the mask, in evaluation mode and without gradients."""

        def batch(x: Tensor, y: Tensor, index: Tensor) -> T:
            with eval_mode(self.module, self.seed), torch.no_grad():
                return work(Task.of(self.module, x, y, self.ball, Rng.of(self.seed, index)))

        return self.feed.each(batch, self.samples.take(np.flatnonzero(on)))
