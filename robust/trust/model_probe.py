"""The subject of the preflight checks: a model and its answers to a few samples, which the checks share."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.criteria.criterion import Criterion
from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import eval_mode
from robust.attacks.task import gradient
from robust.data.dataset import Dataset, Samples
from robust.evaluation.batching import Batcher
from robust.evaluation.time_limit import Deadline
from robust.flags import Flags
from robust.records.trust import NotApplicableError, TimeUpError
from robust.sampling import draw_rows
from robust.trust.clean_gradients import CLEAN_PASSES, Gradients, differentiate, is_saturable
from robust.trust.pass_budget import PassBudget
from robust.trust.pass_share import GRADIENT_PASSES

MAX_SAMPLES = 256  # of a ModelProbe or an AttackProbe
MAX_PIXELS, MIN_MAPS = 2**21, 8  # of maps, whose answers are kept: at most so many, but of so many samples at least
SMALL, MIN_SMALL, MAX_SMALL = 1 / 4, 8, 32  # share and number of the samples that are shown several times
REPEATS = 8  # passes with other seeds: two of the small batch, the others of some of it
FEWER = 4  # the small batch has so many times as many samples as those others
MAX_NOISE = 1e-3  # of the logits' range: kernels that add in another order differ by far less
MIN_RANGE = 1e-12  # keeps a quotient finite if all logits are equal

Inputs = NDArray[np.float32]


def draw_few_rows(samples: Samples) -> NDArray[np.int64]:
    """Draw MAX_SAMPLES rows of samples, ascending; return all if there are no more. Of large maps they are fewer.

    The rows are random, since data may be sorted by class. The seed is fixed, so that all callers get the same rows.
    """
    most = MAX_PIXELS // max(1, math.prod(samples.map_size)) if samples.map_size else MAX_SAMPLES
    return draw_rows(len(samples), min(MAX_SAMPLES, max(MIN_MAPS, most)), seed=0)


def load_few(samples: Samples) -> Samples:
    """Load the samples of `draw_few_rows` into memory."""
    few = samples.take(draw_few_rows(samples))
    return replace(few, x=few.x[:])


@dataclass(frozen=True)
class ModelProbe:
    """A model, n of its samples and the declaration of the data set. Results that several checks need are cached.

    TimeUpError if the model is asked after the deadline.
    """

    module: nn.Module
    samples: Samples
    dataset: Dataset
    seed: int
    batcher: Batcher
    deadline: Deadline | None = None  # after which the model is asked no more
    attacks: tuple[str, ...] | None = None  # specs of all attacks and stages of the run; None: any
    budget: PassBudget = field(default_factory=PassBudget)  # which counts the passes

    @property
    def x(self) -> Inputs:
        """Return the inputs, (n, *shape)."""
        return self.samples.x[:]

    @property
    def classes(self) -> int:
        """Return the number of classes."""
        assert self.dataset.classes is not None
        return self.dataset.classes

    @cached_property
    def gradients(self) -> Gradients:
        """Compute gradients at the clean inputs, by one forward and two backward passes of each.

        They are those of the small batch; of all samples, if one of these is 0 or not finite, or if the model is so
        sure of a sample that the cross-entropy may have none.
        """
        n, few = len(self.samples), self._differentiate(0, self.n_small)
        sound = few.sound and not is_saturable(self.logits[self.finite], few.logits.dtype)
        if few.blocked or sound or n == self.n_small:
            return few
        every = Gradients.join([few, self._differentiate(self.n_small, n)])
        return every._replace(margin=few.margin)  # that of all may take much memory

    def _differentiate(self, first: int, end: int) -> Gradients:
        """Compute the gradients at samples from `first` to `end`."""
        samples = self.samples.take(np.arange(first, end))
        self.budget.add(CLEAN_PASSES * len(samples))
        ask = partial(differentiate, self.module, seed=self.seed, criterion=self.criterion)
        parts = self.batcher.each(lambda x, y, index: ask(x, y), samples)
        return Gradients.join(parts)

    @cached_property
    def logits(self) -> Tensor:
        """Return the clean logits, (n, classes), float64: the small batch, and all others. Of maps they are flat."""
        rest = self.x[self.n_small :]
        return torch.cat((self.small, self.ask(rest))) if len(rest) else self.small

    def count_passes(self, *results: str) -> float:
        """Count the passes of one sample that these results still take, if nothing is amiss; a backward counts as two.

        The small batch is a part of the logits, and of the noise.
        """
        known, few = vars(self), self.n_small
        wanted = {name for name in results if name not in known}
        passes = {
            "logits": len(self.samples) - few,
            "noise": few + (REPEATS - 2) * self._n_fewer,
            "gradients": CLEAN_PASSES * few,
        }
        is_small_new = "small" not in known and bool(wanted - {"gradients"})
        return sum(passes.get(name, 0) for name in wanted) + few * is_small_new

    @property
    def n_small(self) -> int:
        """Return the number of samples in the small batch."""
        n = len(self.samples)
        return min(n, max(MIN_SMALL, min(MAX_SMALL, round(SMALL * n))))

    @property
    def _n_fewer(self) -> int:
        return max(1, self.n_small // FEWER)

    @property
    def first(self) -> Inputs:
        """Return the inputs of the small batch, (k, *features)."""
        return self.x[: self.n_small]

    @cached_property
    def finite(self) -> Tensor:
        """Mark the samples whose logits are all finite, (n,) bool."""
        return self.criterion.finite(self.logits)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """Return the predicted classes, (n,); -1 for an answer that is not finite."""
        return _predict(self.logits)

    @property
    def correct(self) -> Flags:
        """Mark the samples that are classified correctly, (n,)."""
        return self.judge(self.logits, self.samples.y)

    @property
    def criterion(self) -> Criterion:
        """Return what is a right answer."""
        return read_criterion(self.samples.criterion)

    def judge(self, logits: Tensor, y: NDArray[Any]) -> Flags:
        """Mark the answers, (m, classes), that are right, (m,)."""
        right = self.criterion.finite(logits) & self.criterion.accepts(logits, torch.from_numpy(y))
        flags: Flags = right.numpy()
        return flags

    @property
    def majority(self) -> float:
        """Return the share that a constant answer has right: the most frequent label, or each label's median."""
        y = self.samples.y
        if y.ndim == 1:
            return float(np.bincount(y).max()) / len(y)
        if self.samples.map_size:
            return max(self._judge_constant(k) for k in range(self.classes))
        constant = np.nanmedian(np.where(y < 0, np.nan, y) if y.dtype.kind == "i" else y, axis=0)
        logits = constant - 0.5 if y.dtype.kind == "i" else constant
        return float(self.judge(torch.from_numpy(np.tile(logits, (len(y), 1))), y).mean())

    def _judge_constant(self, number: int) -> float:
        """Return the share of the samples whose maps are right if every pixel is answered as one class."""
        right = np.zeros((1, self.classes, *self.samples.map_size), np.float32)
        right[:, number] = 1
        answers = torch.from_numpy(right)
        return float(np.mean([self.judge(answers, self.samples.y[k : k + 1])[0] for k in range(len(self.samples))]))

    @cached_property
    def small(self) -> Tensor:
        """Compute the logits of the small batch of the samples, (k, classes), float64."""
        return self.ask(self.first)

    @cached_property
    def noise(self) -> float:
        """Measure how far the answers to the small batch differ between seeds; see `measure_change`.

        Two answers to all of it show what is random at some samples, and more answers to some of it what is so at some
        calls.
        """
        fewer = self.first[: self._n_fewer]
        once, *again = (self.ask(fewer, seed=k) for k in range(2, REPEATS))
        return max(
            measure_change(self.small, self.ask(self.first, seed=1)), *(measure_change(once, other) for other in again)
        )

    def measure_repeat(self) -> float:
        """Measure how far the answers to the small batch differ from those of the same seed; see `measure_change`."""
        return measure_change(self.ask(self.first, seed=1), self.ask(self.first, seed=1))

    @property
    def deterministic(self) -> bool:
        """Whether the same inputs always get the same answers."""
        return self.noise <= MAX_NOISE

    def ask(self, x: Inputs, *, size: int | None = None, seed: int = 0, restored: bool = True) -> Tensor:
        """Query the model for its logits at inputs (m, *shape), in batches of `size` at most.

        Returns (m, classes), float64, on the CPU. A random model draws from `seed`. What a forward writes on the model
        is put back, if `restored`. ValueError if the answer has another shape.
        """
        batcher = Batcher(min(size or self.batcher.size, self.batcher.size), self.batcher.device)
        samples = Samples(x, np.zeros(len(x), np.int64), np.arange(len(x)))
        return torch.cat(batcher.each(lambda x, y, index: self._ask(x, self.seed + seed, restored), samples))

    def measure_gradient(self, x: Inputs) -> Tensor:
        """Return the gradient of the margin at inputs beside the first samples, in one batch, (m, *shape).

        ValueError if no gradient reaches the inputs.
        """
        if self.deadline and self.deadline():
            raise TimeUpError
        self.budget.add(GRADIENT_PASSES * len(x))
        leaf = torch.from_numpy(x).to(self.batcher.device).requires_grad_()
        labels = torch.from_numpy(self.samples.y[: len(x)]).to(leaf.device)
        with eval_mode(self.module, self.seed), torch.enable_grad():
            return gradient(self.criterion.loss("margin", self.module(leaf.clone()), labels).sum(), leaf).cpu()

    def find_ends(self, x: Inputs) -> tuple[Inputs, Inputs]:
        """Return the lowest and the highest of the inputs, or of a table those of each feature, (features,).

        Of several inputs they are those of each number, (m, features); what an attacker cannot move has no room.
        """
        if (moves := self.dataset.moves) is not None:
            lo, hi = self.dataset.spans
            return np.where(moves, lo, x), np.where(moves, hi, x)
        return self.dataset.spans if self.dataset.ranges else (x.min(), x.max())

    def require_one_input(self) -> None:
        """Raise NotApplicableError if the model has several inputs, of which each would be changed otherwise."""
        if self.dataset.layout is not None:
            raise NotApplicableError("the model has several inputs")

    def move(self, x: Inputs, step: float) -> Inputs:
        """Move each value of inputs up or down at random by a share of the range of `find_ends`."""
        lo, hi = self.find_ends(x)
        signs = np.random.default_rng(self.seed).choice(np.array([-1, 1], np.float32), x.shape)
        moved: Inputs = np.clip(x + np.float32(step) * (hi - lo) * signs, lo, hi)
        return moved

    def _ask(self, x: Tensor, seed: int, restored: bool) -> Tensor:
        if self.deadline and self.deadline():
            raise TimeUpError
        self.budget.add(len(x))
        with eval_mode(self.module, seed, restored=restored), torch.no_grad():
            logits: Tensor = self.module(x.clone())
        expected = (len(x), self.classes, *self.samples.map_size)
        if logits.shape != expected:
            seen = f"an answer of shape {list(logits.shape)} to a batch of {len(x)}"
            raise ValueError(f"{seen}, expected {[*expected]}")
        return logits.cpu().double().flatten(1)


def _predict(logits: Tensor) -> NDArray[np.int64]:
    predicted: NDArray[np.int64] = logits.argmax(1).masked_fill(~logits.isfinite().all(1), -1).numpy()
    return predicted


def measure_change(logits: Tensor, other: Tensor) -> float:
    """Measure the largest change of a logit, (n, classes), as a share of the mean range of a sample's logits.

    Returns 1 if a sample has a finite answer in only one of the two.
    """
    first, second = logits.isfinite().all(1), other.isfinite().all(1)
    if not torch.equal(first, second):
        return 1.0
    if not bool(first.any()):
        return 0.0
    return float((other - logits)[first].abs().amax() / measure_spread(logits[first]).mean())


def measure_spread(logits: Tensor) -> Tensor:
    """Measure the range of each sample's logits, (n,); of a model with one output, that over all samples."""
    axis = 1 if logits.shape[1] > 1 else 0
    return (logits.amax(axis) - logits.amin(axis)).clamp_min(MIN_RANGE).expand(len(logits))
