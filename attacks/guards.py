"""Guards for sound models whose gradient torch refuses: for the length of a block it passes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.modules._functions import BackwardHookFunction
from torch.utils import checkpoint

RECURRENT = ("RNN", "LSTM", "GRU")


@contextmanager
def differentiable(module: nn.Module) -> Iterator[None]:
    """Let gradients pass, for the length of a block, where the model is deployed as torch cannot differentiate it."""
    parts = [*module.modules()]
    with ExitStack() as stack:
        stack.enter_context(patch.object(checkpoint, "CheckpointFunction", _Checkpoint))
        if any(part._backward_hooks or part._backward_pre_hooks for part in parts):
            stack.enter_context(patch.object(BackwardHookFunction, "forward", staticmethod(_copy_for_hooks)))
        if torch.backends.cudnn.enabled and any(map(_is_recurrent, parts)):
            # cuDNN's recurrent layers have no gradient in evaluation mode.
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield


class _Checkpoint:
    """The function that `checkpoint(use_reentrant=True)` calls: the other variant, which knows torch.autograd.grad."""

    @staticmethod
    def apply(run: Any, preserve: bool, *args: Any) -> Any:
        return checkpoint.checkpoint(run, *args, use_reentrant=False, preserve_rng_state=preserve)


def _copy_for_hooks(context: Any, *args: Tensor) -> tuple[Tensor, ...]:
    """Return copies where torch returns views, which a layer behind a hooked one must not change in place."""
    context.mark_non_differentiable(*[arg for arg in args if not arg.requires_grad])
    return tuple(arg.clone() for arg in args)


def _is_recurrent(part: nn.Module) -> bool:
    return isinstance(part, nn.RNNBase) or getattr(part, "original_name", "") in RECURRENT
