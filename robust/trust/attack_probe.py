"""The subject of the indicators: the outcome of a row's attacks on a few samples, and means to run more attacks."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.criteria.criterion import Criterion
from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import AnyAttack, eval_mode
from robust.attacks.factory import no_models
from robust.attacks.rng import Rng
from robust.attacks.spec import Spec
from robust.attacks.task import Model, Task
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import Threat
from robust.data.dataset import Dataset, Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import AttackResult, measure_attack
from robust.evaluation.time_limit import Deadline
from robust.flags import Flags
from robust.models.traits import only_answers
from robust.records.trust import NotApplicableError, TimeUpError
from robust.trust.gradients import GradientTrace, join_batches, measure_linearity, trace_gradients
from robust.trust.hardest import FEWEST, MIN_HINTS, MORE, count_first, pick_hardest
from robust.trust.pass_budget import PassBudget
from robust.trust.pass_share import GRADIENT_FREE

T = TypeVar("T")

ORDINARY = "pgd:loss=margin:steps=20:stride=1:last=0.01"
MAX_ATTACKS = 2  # of the row's attacks that are run again: a suite's first stages do most of its work
MAX_NOISE = 1e-3  # of the size of the answers; kernels on a GPU add in any order, and differ by far less
MAX_TRACED_SAMPLES = 12  # whose gradients are recorded in every iteration of an attack
MAX_ASKED_TWICE = 32  # samples that tell whether a model is random
MAX_LINEAR_SAMPLES = 40  # at which a step along the gradient is compared with its gain


def follows_gradient(attack: str) -> bool:
    """Whether an attack, given by its spec, follows the model's own gradient."""
    spec = Spec.parse(attack)
    return spec.name not in GRADIENT_FREE and "surrogate" not in dict(spec.options)


@dataclass(frozen=True)
class AttackProbe:
    """A model, m of its samples, and the outcome of the row's attacks on them."""

    module: nn.Module
    samples: Samples  # m
    correct: Flags  # (m,): classified correctly without an attack
    adversarial: Flags  # (m,): some attack of the row found an adversarial example
    threat: Threat
    attacks: tuple[str, ...]  # specs of the row's attacks, or of its suite's stages
    classes: int
    seed: int
    batcher: Batcher
    load: Callable[[str], Model] = no_models  # loads the surrogate that a spec names
    partial: bool = False  # the row's attacks were stopped before their end
    fixed: int = 0  # features that a user's attack leaves as they are: the checks' attacks would move them
    dataset: Dataset | None = None  # that the samples are from
    indices: NDArray[np.int64] | None = None  # of all samples that were measured; None: of these
    before: Tensor | None = None  # (m, classes): the logits of the samples before the attacks
    deadline: Deadline | None = None  # after which no more queries are made
    budget: PassBudget = field(default_factory=PassBudget)  # of all checks: each looks at so many samples as it allows

    @property
    def criterion(self) -> Criterion:
        """Return what is a right answer."""
        return read_criterion(self.samples.criterion)

    @property
    def robust(self) -> Flags:
        """Mark the samples that are correct, and for which no attack of the row found an adversarial example, (m,)."""
        return self.correct & ~self.adversarial

    @cached_property
    def gradient_attacks(self) -> tuple[str, ...]:
        """List those of the row's attacks that follow the model's own gradient.

        Where none does though the model has one, as after a search by queries alone, it is an ordinary attack.
        """
        own = tuple(filter(follows_gradient, self.attacks))
        return own or (() if only_answers(self.module) else (ORDINARY,))

    def require_gradient_attacks(self) -> tuple[str, ...]:
        """Return `gradient_attacks`; NotApplicableError if there are none: then the figure depends on no gradient."""
        if not self.gradient_attacks:
            raise NotApplicableError("no attack of the row follows the model's gradient")
        return self.gradient_attacks

    @property
    def ball(self) -> LpThreat:
        """Return the threat model; NotApplicableError if it is a union of several."""
        if not isinstance(self.threat, LpThreat):
            raise NotApplicableError("the threat model is a union")
        return self.threat

    @cached_property
    def traces(self) -> tuple[GradientTrace, ...]:
        """Record the gradients of the row's first attacks on a few samples that are robust."""
        mask = self.first_robust(MAX_TRACED_SAMPLES)
        if not mask.any():
            return ()
        specs = self.require_gradient_attacks()[:MAX_ATTACKS]
        return tuple(trace_gradients(spec, lambda work: self.run_on_batches(work, mask), self.load) for spec in specs)

    @cached_property
    def randomised(self) -> bool:
        """Whether the model answers the same inputs differently the second time."""
        few = self.take_first(MAX_ASKED_TWICE)
        first, second = (few.answer(seed) for seed in (0, 1))
        return float((first - second).abs().max()) > MAX_NOISE * max(float(first.abs().max()), 1e-12)

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

    @property
    def x(self) -> Tensor:
        """Return the clean inputs, (m, *shape), on the model's device."""
        return torch.from_numpy(self.samples.x).to(self.batcher.device)

    @property
    def measured(self) -> NDArray[np.int64]:
        """Return the numbers in their split of all samples that the row's attacks measured."""
        return self.samples.index if self.indices is None else self.indices

    def answer(self, seed: int = 0) -> Tensor:
        """Compute the model's logits at the clean inputs, (m, classes); a random model draws from `seed`."""
        return self.answer_samples(self.samples, seed)

    def answer_samples(self, samples: Samples, seed: int = 0) -> Tensor:
        """Compute the model's logits at other samples, (k, classes)."""

        def answer_batch(x: Tensor, y: Tensor, index: Tensor) -> Tensor:
            self.budget.add(len(x))
            with eval_mode(self.module, self.seed + seed), torch.no_grad():
                logits: Tensor = self.module(x.clone())
                return logits.cpu()

        return torch.cat(self.batcher.each(answer_batch, samples))

    def take_first(self, n: int) -> "AttackProbe":
        """Restrict the probe to its first n samples."""
        if n >= len(self.samples):
            return self
        samples = self.samples.take(np.arange(n))
        few = replace(self, samples=samples, correct=self.correct[:n], adversarial=self.adversarial[:n])
        if "lead" in vars(self):  # it was asked for already
            vars(few)["lead"] = self.lead[:n]
        return few

    def take_few(self, n: int) -> "AttackProbe":
        """Restrict the probe to its first n samples, or as many as the budget allows."""
        return self.take_first(self.budget.few(n))

    def first_robust(self, n: int) -> Flags:
        """Mark the first n of the samples that are robust, (m,), or as many as the budget allows."""
        return self.robust & (np.cumsum(self.robust) <= self.budget.few(n))

    @cached_property
    def lead(self) -> NDArray[np.float64]:
        """Compute the lead of the label's logit over the highest other, (m,); inf where that is no number."""
        margin = -self.criterion.margin(self.answer(), torch.from_numpy(self.samples.y)).double().numpy()
        return np.where(np.isfinite(margin), margin, np.inf)

    def count_hardest(self) -> int:
        """Count the samples on which `find` tries an attack first, as many as the budget allows."""
        return self.budget.few(count_first(int(self.robust.sum())), FEWEST)

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
        tried = self.pick_hardest(self.robust, self.count_hardest())
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
        TimeUpError if it does not end before the deadline.
        """
        options = RunOptions(self.batcher, self.seed + seed, self.load, deadline=self.deadline)
        found = measure_attack(self.module, self.samples, mask, attack, threat or self.threat, options)
        self.budget.add(found.forwards + 2 * found.backwards)
        if found.partial:
            raise TimeUpError
        return found

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
                task = Task.of(model, x, y, self.ball, Rng.of(self.seed, index), self.criterion)
                return work(replace(task, stop=stop))

        return self.batcher.each(run_batch, self.samples.take(np.flatnonzero(mask)))
