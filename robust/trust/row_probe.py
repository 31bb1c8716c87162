"""The outcome of a row's attacks on a few samples, and the model's answers to these, which its checks share."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.criteria.criterion import Criterion
from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import eval_mode
from robust.attacks.factory import no_models
from robust.attacks.spec import Spec
from robust.attacks.task import Model
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.product import Product
from robust.attacks.threats.threat import Threat
from robust.attacks.words import GRADIENT_FREE
from robust.data.dataset import Dataset, Samples
from robust.evaluation.batching import Batcher
from robust.evaluation.time_limit import Deadline
from robust.flags import Flags
from robust.models.traits import only_answers
from robust.records.trust import NotApplicableError
from robust.trust.pass_budget import PassBudget

ORDINARY = "pgd:loss=margin:steps=20:stride=1:last=0.01"
MAX_NOISE = 1e-3  # of the size of the answers; kernels on a GPU add in any order, and differ by far less
MIN_ASKED_TWICE, MAX_ASKED_TWICE = 8, 32  # samples that tell whether a model is random


def follows_gradient(attack: str) -> bool:
    """Whether an attack, given by its spec, follows the model's own gradient."""
    spec = Spec.parse(attack)
    return spec.name not in GRADIENT_FREE and "surrogate" not in dict(spec.options)


@dataclass(frozen=True)
class RowProbe:
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

    @property
    def x(self) -> Tensor:
        """Return the clean inputs, (m, *shape), on the model's device."""
        return torch.from_numpy(self.samples.x).to(self.batcher.device)

    @property
    def measured(self) -> NDArray[np.int64]:
        """Return the numbers in their split of all samples that the row's attacks measured."""
        return self.samples.index if self.indices is None else self.indices

    @property
    def ball(self) -> LpThreat:
        """Return the threat model; NotApplicableError if it is a union of several, or no ball."""
        if not isinstance(self.threat, LpThreat):
            raise NotApplicableError("the threat model is not one ball")
        return self.threat

    @property
    def one_set(self) -> LpThreat | Product:
        """Return the threat model, a ball or a product of balls; NotApplicableError for a union, or a table's."""
        return self.threat if isinstance(self.threat, Product) else self.ball

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

    @cached_property
    def answers(self) -> Tensor:
        """Return the logits at the clean inputs, (m, classes): those from before the attacks, if there are any."""
        return self.answer() if self.before is None else self.before

    def count_answers(self) -> int:
        """Count the passes for `answers`; none if they are known."""
        return len(self.samples) if self.before is None and "answers" not in vars(self) else 0

    @cached_property
    def lead(self) -> NDArray[np.float64]:
        """Compute the lead of the label's logit over the highest other, (m,); inf where that is no number."""
        margin = -self.criterion.margin(self.answers, torch.from_numpy(self.samples.y)).double().numpy()
        return np.where(np.isfinite(margin), margin, np.inf)

    @property
    def _first_few(self) -> Self:
        return self.take_first(self.budget.few(MAX_ASKED_TWICE, MIN_ASKED_TWICE))

    @cached_property
    def now(self) -> Tensor:
        """Compute the answers to the first few samples after the row's attacks, (k, classes)."""
        return self._first_few.answer()

    def count_now(self) -> int:
        """Count the passes for `now` and for `randomised`; none if they are known."""
        k = len(self._first_few.samples)
        return k * ("now" not in vars(self)) + k * ("randomised" not in vars(self))

    @cached_property
    def randomised(self) -> bool:
        """Whether the model answers the same inputs differently the second time."""
        first, second = self.now, self.take_first(len(self.now)).answer(1)
        return float((first - second).abs().max()) > MAX_NOISE * max(float(first.abs().max()), 1e-12)

    def answer(self, seed: int = 0) -> Tensor:
        """Compute the model's logits at the clean inputs, (m, classes); a random model draws from `seed`."""
        return self.answer_samples(self.samples, seed)

    def answer_samples(self, samples: Samples, seed: int = 0) -> Tensor:
        """Compute the model's logits at other samples, (k, classes); of maps they are flat."""

        def answer_batch(x: Tensor, y: Tensor, index: Tensor) -> Tensor:
            self.budget.add(len(x))
            with eval_mode(self.module, self.seed + seed), torch.no_grad():
                logits: Tensor = self.module(x.clone())
                return logits.cpu().flatten(1)

        return torch.cat(self.batcher.each(answer_batch, samples))

    def take_first(self, n: int) -> Self:
        """Restrict the probe to its first n samples."""
        if n >= len(self.samples):
            return self
        samples = self.samples.take(np.arange(n))
        before = None if self.before is None else self.before[:n]
        few = replace(self, samples=samples, correct=self.correct[:n], adversarial=self.adversarial[:n], before=before)
        if "answers" in vars(self):  # they were asked for already
            vars(few)["answers"] = self.answers[:n]
        return few

    def take_few(self, n: int) -> Self:
        """Restrict the probe to its first n samples, or as many as the budget allows."""
        return self.take_first(self.budget.few(n))

    def first_robust(self, n: int) -> Flags:
        """Mark the first n of the samples that are robust, (m,), or as many as the budget allows."""
        return self.robust & (np.cumsum(self.robust) <= self.budget.few(n))
