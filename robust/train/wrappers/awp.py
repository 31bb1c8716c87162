"""awp, adversarial weight perturbation: Wu, Xia and Wang 2020 (2004.05884)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from robust.train.recipe import WRAPPERS, Gradients

TINY = 1e-20


@WRAPPERS.register("awp")
@dataclass(frozen=True, slots=True)
class AWP:
    """The loss and its gradient at weights that were moved to raise the loss, each layer by a share of its length.

    The paper takes .01 for pgd-at from the first epoch on, and .005 for trades after ten.
    """

    gamma: float = 0.005  # length of the move, as a share of the layer's length
    awp_warmup: int = 0  # epochs without it

    def __post_init__(self) -> None:
        if self.gamma <= 0:
            raise ValueError(f"gamma, a share of a layer's length, must be above 0, got {self.gamma:g}")
        if self.awp_warmup < 0:
            raise ValueError(f"awp_warmup must be 0 or above, got {self.awp_warmup}")

    @contextmanager
    def around(self, module: nn.Module, gradients: Gradients, epoch: int) -> Iterator[None]:
        """Move the weights within the context; biases and the weights of norms, which have one dimension, stay."""
        moved = [p for p in module.parameters() if p.requires_grad and p.dim() > 1] if epoch > self.awp_warmup else []
        if not moved:
            yield
            return
        buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
        grads = gradients(moved)
        before = [p.detach().clone() for p in moved]
        with torch.no_grad():
            for buffer, value in buffers:  # only the pass that is learnt from may move batch norm's statistics
                buffer.copy_(value)
            for p, g in zip(moved, grads, strict=True):
                if g is not None:
                    p.add_(g * (self.gamma * p.norm() / (g.norm() + TINY)))
        try:
            yield
        finally:
            with torch.no_grad():
                for p, value in zip(moved, before, strict=True):
                    p.copy_(value)
