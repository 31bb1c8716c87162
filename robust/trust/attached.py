"""Forward passes whose gradients are not stopped: what detaches, or replaces a backward pass, is left out.

A model may stop gradients by `detach`, `.data` or `no_grad`, change them by hooks, or give a function a backward pass
of its own. Its answers do not depend on any of it, so the gradient of what it computes can be had by leaving it out.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.autograd import Function, grad_mode
from torch.autograd.function import _SingleLevelFunction
from torch.overrides import TorchFunctionMode

DETACHING = (Tensor.detach, Tensor.detach_, torch.detach, torch.detach_, Tensor.data.__get__)  # type: ignore[attr-defined]
HOOKS = (Tensor.register_hook, Tensor.register_post_accumulate_grad_hook)
FLAT = tuple(
    getattr(where, name) for where in (torch, Tensor) for name in ("round", "floor", "ceil", "trunc", "sign", "fix")
)


def cut(x: Tensor) -> Tensor:
    """Detach a tensor, also where `attached` holds: for mitigations, which put another gradient in place."""
    with torch._C.DisableTorchFunction():
        return x.detach()


class Attached(nn.Module):
    """A model with the answers of `inner`, whose gradients pass what would stop or change them."""

    def __init__(self, inner: nn.Module, *, functions: bool = False, through: bool = False) -> None:
        """Take what else is left out: the backward passes of custom `functions`; `through`: rounding has slope 1."""
        super().__init__()
        self.inner, self.functions, self.through = inner, functions, through

    def forward(self, x: Tensor) -> Tensor:
        with attached(self.inner, functions=self.functions, through=self.through):
            answer: Tensor = self.inner(x)
            return answer


@contextmanager
def attached(module: nn.Module, *, functions: bool = False, through: bool = False) -> Iterator[None]:
    """For the length of a block, leave out what stops or changes the gradients of what `module` computes."""
    with ExitStack() as stack:
        for kind in (grad_mode.no_grad, grad_mode.inference_mode, grad_mode.set_grad_enabled):
            stack.enter_context(patch.object(kind, "__enter__", lambda self: None))
            stack.enter_context(patch.object(kind, "__exit__", lambda self, *error: None))
        stack.enter_context(patch.object(grad_mode.set_grad_enabled, "__init__", lambda self, mode: None))
        if functions:
            # below Function, whose `apply` models keep under other names
            stack.enter_context(patch.object(_SingleLevelFunction, "apply", classmethod(_apply)))
        for part in module.modules():
            stack.enter_context(_without_hooks(part))
        stack.enter_context(_Attaching(through))
        yield


class _Attaching(TorchFunctionMode):
    """Make what detaches return its argument, and set no hooks on tensors."""

    def __init__(self, through: bool) -> None:
        super().__init__()
        self.through = through

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in HOOKS:
            return SimpleNamespace(remove=lambda: None)
        first = args[0] if args else kwargs.get("input")
        if func in DETACHING:
            return first
        result = func(*args, **kwargs)
        if self.through and func in FLAT and isinstance(first, Tensor) and first.is_floating_point():
            return first + cut(result - first)
        return result


def _apply(cls: Any, *args: Any) -> Any:
    """Call the forward pass of a custom function, whose gradient is then that of what it computes."""
    if cls.setup_context is not Function.setup_context:
        return cls.forward(*args)
    return cls.forward(_Context(), *args)


class _Context(SimpleNamespace):
    """A context of a custom function that keeps nothing for a backward pass."""

    needs_input_grad = (True,) * 64

    def save_for_backward(self, *tensors: Tensor) -> None:
        self.saved_tensors = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Take the place of the method of torch."""

    mark_non_differentiable = mark_dirty

    def set_materialize_grads(self, value: bool) -> None:
        """Take the place of the method of torch."""


@contextmanager
def _without_hooks(part: nn.Module) -> Iterator[None]:
    """Take the hooks on backward passes away for the length of a block."""
    tables = [part._backward_hooks, part._backward_pre_hooks]
    kept = [dict(table) for table in tables]
    for table in tables:
        table.clear()
    try:
        yield
    finally:
        for table, hooks in zip(tables, kept, strict=True):
            table.update(hooks)
