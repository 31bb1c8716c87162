"""What the preflight checks look at: a model, and its answers to a few samples, each asked for once."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.attacks.losses import cross_entropy, margin
from robust.attacks.task import gradient
from robust.data.dataset import Dataset, Samples
from robust.evaluation.batching import Batcher
from robust.flags import Flags
from robust.sampling import draw_rows

FEW = 256  # samples that a look, or a trial, is at
SOME = 32  # of these, where the model is asked often, and in a batch of other company
LOOKS = 8  # at some of the samples, each with another seed
STEADY = 1e-3  # of the logits' range: kernels that add in any order differ by far less
TINY = 1e-12  # keeps a quotient finite where all answers are equal

Inputs = NDArray[np.float32]


def few_rows(n: int) -> NDArray[np.int64]:
    """Which FEW of n samples a look is at, ascending; all where there are no more.

    Drawn, for data may be sorted by class; and by the same seed always, so that all who ask mean the same samples.
    """
    return draw_rows(n, FEW, seed=0)


def few_of(samples: Samples) -> Samples:
    """These of the samples, in memory."""
    few = samples.take(few_rows(len(samples)))
    return replace(few, x=few.x[:])


class Faced(NamedTuple):
    """The answers to the samples as they are, and what gradients lead from there to the inputs; on the CPU."""

    logits: Tensor  # (n, classes), of the type that the model answers in
    margin: Tensor  # (n,): the largest number, without its sign, in the gradient of the margin
    loss: Tensor  # (n,): the same of the cross-entropy
    barred: str  # why no gradient leads there; "" where one does


@dataclass(frozen=True)
class ModelProbe:
    """A model, a few of its samples, and what the data set declares. What several checks need is asked for once."""

    module: nn.Module
    samples: Samples
    dataset: Dataset
    seed: int
    feed: Batcher

    @property
    def x(self) -> Inputs:
        """(n, *shape)"""
        return self.samples.x[:]

    @property
    def classes(self) -> int:
        assert self.dataset.classes is not None
        return self.dataset.classes

    @cached_property
    def faced(self) -> Faced:
        """One forward pass, and two backward from it."""
        parts = self.feed.each(lambda x, y, index: _face(self.module, x, y, self.seed), self.samples)
        logits, margins, losses, barred = zip(*parts, strict=True)
        return Faced(torch.cat(logits), torch.cat(margins), torch.cat(losses), barred[0])

    @property
    def logits(self) -> Tensor:
        """(n, classes), float64."""
        return self.faced.logits.double()

    @cached_property
    def sound(self) -> Tensor:
        """(n,) bool: the samples that are answered with finite numbers."""
        return self.faced.logits.isfinite().all(1)

    @cached_property
    def answered(self) -> NDArray[np.int64]:
        """(n,): the class that each sample is taken for; -1 where the answer is not finite."""
        return _classes(self.logits)

    @property
    def right(self) -> Flags:
        """(n,): the samples that are answered right."""
        right: Flags = self.answered == self.samples.y
        return right

    @property
    def commonest(self) -> float:
        """The share of the samples that have the most frequent label: what the same answer to all gets right."""
        return float(np.bincount(self.samples.y).max()) / len(self.samples)

    @cached_property
    def unrest(self) -> float:
        """How far the answers to some samples are apart where only the seed is another; see `apart`."""
        some = self.x[:SOME]
        first, *others = (self.ask(some, seed=k) for k in range(LOOKS))
        return max(apart(first, other) for other in others)

    @property
    def steady(self) -> bool:
        """Whether the same inputs are always answered alike."""
        return self.unrest <= STEADY

    def classify(self, x: Inputs) -> NDArray[np.int64]:
        """(m,): the classes that inputs (m, *shape) are taken for; -1 where the answer is not finite."""
        return _classes(self.ask(x))

    def ask(self, x: Inputs, *, size: int | None = None, seed: int = 0) -> Tensor:
        """The answers to inputs (m, *shape): (m, classes), float64, on the CPU, asked for in batches of `size`.

        What the model draws at random it draws from `seed`. ValueError where an answer has another shape.
        """
        feed = Batcher(min(size or self.feed.size, self.feed.size), self.feed.device)
        samples = Samples(x, np.zeros(len(x), np.int64), np.arange(len(x)))
        return torch.cat(feed.each(lambda x, y, index: self._ask(x, self.seed + seed), samples))

    def _ask(self, x: Tensor, seed: int) -> Tensor:
        with eval_mode(self.module, seed), torch.no_grad():
            logits: Tensor = self.module(x.clone())
        if logits.shape != (len(x), self.classes):
            told = f"an answer of shape {list(logits.shape)} to a batch of {len(x)}"
            raise ValueError(f"{told}, expected {[len(x), self.classes]}")
        return logits.detach().cpu().double()


def _face(module: nn.Module, x: Tensor, y: Tensor, seed: int) -> Faced:
    with eval_mode(module, seed), torch.enable_grad():
        leaf = x.clone().requires_grad_()
        logits = module(leaf.clone())
        try:
            grads = [gradient(loss(logits, y).sum(), leaf, keep=True) for loss in (margin, cross_entropy)]
            barred = ""
        except ValueError as error:
            grads, barred = [torch.zeros_like(x)] * 2, str(error)
    margins, losses = (grad.abs().flatten(1).amax(1).cpu() for grad in grads)
    return Faced(logits.detach().cpu(), margins, losses, barred)


def _classes(logits: Tensor) -> NDArray[np.int64]:
    found: NDArray[np.int64] = logits.argmax(1).masked_fill(~logits.isfinite().all(1), -1).numpy()
    return found


def apart(logits: Tensor, other: Tensor) -> float:
    """The largest change of a logit, (n, classes), as a share of their range, which is that of a sample's on average.

    It is 1 where an answer is finite once only.
    """
    first, second = logits.isfinite().all(1), other.isfinite().all(1)
    if not torch.equal(first, second):
        return 1.0
    spread = (logits.amax(1) - logits.amin(1))[first].mean().clamp_min(TINY)
    return float((other - logits)[first].abs().amax() / spread) if bool(first.any()) else 0.0
