"""A packed network with the gradient of its float twin: straight-through (Athalye et al. 2018, 1802.00420)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from robust.models.program import map_tensors


class TwinnedForward:
    """The forward of a packed network: exactly its answers, with the gradient of a float twin at the same inputs.

    The twin is no part of what is hashed, counted or saved. It is asked only where a gradient is.
    """

    def __init__(self, forward: Callable[..., Any], twin: nn.Module) -> None:
        self.forward = forward
        self.twin = twin.eval().requires_grad_(False)

    def __call__(self, x: Tensor) -> Any:
        with torch.no_grad():
            answer = self.forward(x)
        if not (torch.is_grad_enabled() and x.requires_grad):
            return answer
        return map_tensors(_Straight.apply, answer, self.twin.to(x.device)(x))


def follow_twin(module: nn.Module, twin: nn.Module) -> nn.Module:
    """Let the gradient of a module, which takes one tensor, be that of its float twin; return the module."""
    setattr(module, "forward", TwinnedForward(module.forward, twin))  # noqa: B010 -- a method, to mypy
    return module


def is_twinned(module: nn.Module) -> bool:
    """Whether the gradient of the module, or of a part of it, is that of a float twin."""
    return any(isinstance(vars(part).get("forward"), TwinnedForward) for part in module.modules())


class _Straight(torch.autograd.Function):
    """The first tensor, with the gradient of the second."""

    @staticmethod
    def forward(ctx: Any, answer: Tensor, near: Tensor) -> Tensor:
        del ctx, near
        return answer.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        del ctx
        return None, grads[0]
