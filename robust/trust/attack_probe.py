"""The subject of the indicators: the outcome of a row's attacks on a few samples, and means to run more attacks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from robust.attacks.engine import AnyAttack, eval_mode
from robust.attacks.factory import make
from robust.attacks.families import find_unfit
from robust.attacks.rng import Rng
from robust.attacks.task import Task
from robust.attacks.threats.threat import Threat
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.measure import AttackResult, measure_attack
from robust.flags import Flags
from robust.records.trust import NotApplicableError, TimeUpError
from robust.trust.gradients import GradientTrace, join_batches, measure_linearity, trace_gradients
from robust.trust.hardest import FEWEST, MIN_HINTS, MORE, count_first, pick_hardest
from robust.trust.row_probe import ORDINARY, RowProbe
from robust.trust.significance import is_significant

T = TypeVar("T")

MAX_ATTACKS = 2  # of the row's attacks that are run again: a suite's first stages do most of its work
MAX_TRACED_SAMPLES = 12  # whose gradients are recorded in every iteration of an attack
MAX_LINEAR_SAMPLES = 40  # at which a step along the gradient is compared with its gain


@dataclass(frozen=True)
class AttackProbe(RowProbe):
    """The outcome of a row's attacks, and means to run more."""

    @cached_property
    def traces(self) -> tuple[GradientTrace, ...]:
        """Record the gradients of the row's first attacks on a few samples that are robust."""
        mask = self.first_robust(MAX_TRACED_SAMPLES)
        if not mask.any():
            return ()
        specs = self.require_gradient_attacks()[:MAX_ATTACKS]
        return tuple(trace_gradients(spec, lambda work: self.run_on_batches(work, mask), self.load) for spec in specs)

    @cached_property
    def linearity(self) -> dict[str, Tensor]:
        """Measure gain over predicted gain of a small step, at clean inputs that are robust, and at random ones nearby.

        See `measure_linearity`. NotApplicableError for a randomised model: its gain does not follow from its gradient.
        """
        if self.randomised:
            raise NotApplicableError("the model is random: the gain of a step does not follow from its gradient")
        self.require_gradient_attacks()
        shares = {"clean": 0.0, "random": 1.0}
        few = self.first_robust(MAX_LINEAR_SAMPLES)
        return {
            inputs: join_batches(self.run_on_batches(partial(measure_linearity, share=share), few))
            for inputs, share in shares.items()
        }

    def count_hardest(self) -> int:
        """Count the samples on which `find` tries an attack first, as many as the budget allows.

        None if so few are robust that it would be luck if all of them fell.
        """
        robust = int(self.robust.sum())
        return self.budget.few(count_first(robust), FEWEST) if is_significant(robust, len(self.robust)) else 0

    def cut(self, queries: int) -> int:
        """Return how many queries an attack takes that `find` tries, where the budget does not allow so many."""
        return self.budget.cut(queries, count_first(int(self.robust.sum())), FEWEST)

    def pick_hardest(self, mask: Flags, n: int) -> Flags:
        """Mark n of the samples in `mask`, (m,), on which an attack is tried first."""
        return pick_hardest(mask, self.lead, n, self.seed)

    def find(self, attack: str | AnyAttack, enough: Callable[[Flags], bool], *, seed: int = 0) -> Flags:
        """Mark robust samples, (m,), for which one more attack finds an adversarial example; see `measure`.

        It is tried on the hardest first, and on others only if it breaks some of these: most attacks on most sound
        models break none. It goes on until what it has found is `enough`, or it hardly finds any more.
        """
        if not (first := self.count_hardest()):
            return np.zeros_like(self.robust)
        tried = self.pick_hardest(self.robust, first)
        found = last = self.measure(attack, tried, seed=seed).adversarial
        while last.sum() >= MIN_HINTS and not enough(found) and (others := self.robust & ~tried).any():
            more = self.pick_hardest(others, MORE)
            last = self.measure(attack, more, seed=seed).adversarial
            tried, found = tried | more, found | last
        return found

    def find_ordinary(self, mask: Flags) -> Flags:
        """Mark the samples of `mask`, (m,), for which an ordinary attack finds an adversarial example.

        It is run once on each: what it finds for one does not depend on the others.
        """
        asked, broken = self._ordinary
        if (new := mask & ~asked).any():
            broken |= self.measure(ORDINARY, new).adversarial
            asked |= new
        return mask & broken

    @cached_property
    def _ordinary(self) -> tuple[Flags, Flags]:
        """Return the samples that an ordinary attack was run on, and those that it broke; each (m,)."""
        return np.zeros_like(self.correct), np.zeros_like(self.correct)

    def measure(
        self, attack: str | AnyAttack, mask: Flags, threat: Threat | None = None, seed: int = 0
    ) -> AttackResult:
        """Run one more attack on the samples in `mask`, (m,), and judge it as the row's attacks were judged.

        `threat` is the row's by default. Another `seed` than 0 gives other random numbers than those of the row.
        TimeUpError if it does not end before the deadline. NotApplicableError for an attack that is not for the threat
        model.
        """
        self.require_fit(attack, threat or self.threat)
        options = RunOptions(self.batcher, self.seed + seed, self.load, deadline=self.deadline)
        found = measure_attack(self.module, self.samples, mask, attack, threat or self.threat, options)
        self.budget.add(found.forwards + 2 * found.backwards)
        if found.partial:
            raise TimeUpError
        return found

    def require_fit(self, attack: str | AnyAttack, threat: Threat) -> None:
        """Raise NotApplicableError for an attack that is not for the threat model, or not for these labels in it."""
        made = make(attack, self.load) if isinstance(attack, str) else attack
        for part in threat.parts:
            if find_unfit(made, part.norm, self.criterion.labels):
                raise NotApplicableError(f"its attack is not for {part.norm}")

    def run_on_batches(self, work: Callable[[Task], T], mask: Flags) -> list[T]:
        """Call `work` with the task of each batch of the samples in `mask`, in evaluation mode, without gradients.

        TimeUpError once the deadline has passed; a task's `stop` tells, too.
        """
        stop: Callable[[], bool] = self.deadline or (lambda: False)

        def run_batch(x: Tensor, y: Tensor, index: Tensor) -> T:
            if stop():
                raise TimeUpError
            with eval_mode(self.module, self.seed), torch.no_grad():
                model = self.budget.counting(self.module)
                task = Task.of(model, x, y, self.one_set, Rng.of(self.seed, index), self.criterion)
                return work(replace(task, stop=stop))

        return self.batcher.each(run_batch, self.samples.take(np.flatnonzero(mask)))
