"""Gradients at clean samples, and whether there may be none."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.engine import eval_mode
from robust.attacks.task import gradient

CLEAN_PASSES = 5  # of a sample, for its answer and two gradients
EDGE = 0.8  # of the lead at which a probability rounds to 0: from there the cross-entropy may have no gradient


class Gradients(NamedTuple):
    """The gradients at the first k clean samples, and the answers there, of which a gradient is asked; on the CPU."""

    logits: Tensor  # (k, classes), in the type that the model returns
    margin: Tensor  # (up to k, *features): the gradient of the margin
    margin_size: Tensor  # (k,): the largest absolute element of that
    ce_size: Tensor  # (k,): the same for the cross-entropy
    blocked: str  # why no gradient reaches the inputs; "" if one does

    @classmethod
    def join(cls, parts: "Sequence[Gradients]") -> "Gradients":
        """Join those of several batches."""
        logits, margins, margin_sizes, ce_sizes, blocked = zip(*parts, strict=True)
        return cls(torch.cat(logits), torch.cat(margins), torch.cat(margin_sizes), torch.cat(ce_sizes), blocked[0])

    @property
    def sound(self) -> bool:
        """Whether all are finite, and none is 0."""
        sizes = torch.stack((self.margin_size, self.ce_size))
        return bool((sizes.isfinite() & (sizes > 0)).all())


def differentiate(module: nn.Module, x: Tensor, y: Tensor, seed: int, criterion: Criterion = CLASS) -> Gradients:
    """Compute the gradients of a batch of samples x, (n, *features), with labels y, (n,)."""
    with eval_mode(module, seed), torch.enable_grad():
        leaf = x.clone().requires_grad_()
        logits = module(leaf.clone())
        try:
            grads = [gradient(criterion.loss(name, logits, y).sum(), leaf, keep=True) for name in ("margin", "ce")]
            blocked = ""
        except ValueError as error:
            grads, blocked = [torch.zeros_like(x)] * 2, str(error)
    margin_size, ce_size = (grad.abs().flatten(1).amax(1).cpu() for grad in grads)
    return Gradients(logits.detach().flatten(1).cpu(), grads[0].cpu(), margin_size, ce_size, blocked)


def is_saturable(logits: Tensor, dtype: torch.dtype) -> bool:
    """Whether the lead of some class is so large that its probability may round to 1; logits is (n, classes)."""
    best = logits.topk(min(2, logits.shape[1])).values
    return bool((best[:, 0] - best[:, -1] > -EDGE * math.log(torch.finfo(dtype).tiny)).any())
