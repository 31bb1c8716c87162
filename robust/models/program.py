"""Programs as modules: TorchScript, torch.export."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from robust.models.format import Source


class Program(nn.Module):
    """A program from a file. Its mode is fixed in the program, so `train` and `eval` do not reach it.

    The file's digest is a buffer: it identifies a program whose weights are folded into its code.
    """

    digest: Tensor

    def __init__(self, program: nn.Module, source: Source) -> None:
        super().__init__()
        self.program = program
        with source.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        self.register_buffer("digest", torch.tensor([*digest], dtype=torch.uint8))

    def forward(self, *parts: Tensor, **named: Tensor) -> Any:
        return self.program(*parts, **named)

    def train(self, mode: bool = True) -> Self:
        self.training = mode
        return self


def allow_modes(module: nn.Module) -> None:
    """Let `train` and `eval` of programs of torch.export do nothing to the program: their own raise an error."""
    for part in module.modules():
        own = [name for name in ("train", "eval") if name in vars(part)]
        if isinstance(part, torch.fx.GraphModule) and any(_is_refused(vars(part)[name]) for name in own):
            for name in own:
                delattr(part, name)


def _is_refused(change: Callable[[], object]) -> bool:
    try:
        change()
    except NotImplementedError:
        return True
    return False


class Batched(nn.Module):
    """A module that takes any batch, around one that takes from `min_batch` to `max_batch` inputs at once.

    Larger batches are split, and the last part is filled up with copies of its last input, whose answers are dropped.
    """

    def __init__(self, module: nn.Module, min_batch: int, max_batch: int) -> None:
        super().__init__()
        self.module = module
        self.min_batch = min_batch
        self.max_batch = max_batch

    def forward(self, x: Tensor) -> Any:
        return call_in_parts(self.module, x, self.min_batch, self.max_batch)


def call_in_parts(call: Callable[[Tensor], Any], x: Tensor, least: int, most: float) -> Any:
    """Return what `call` answers to x, (n, *shape), if it is given from `least` to `most` inputs at once."""
    parts = [_call_filled(call, part, least) for part in torch.split(x, int(min(most, max(len(x), 1))))]
    return parts[0] if len(parts) == 1 else map_tensors(lambda *tensors: torch.cat(tensors), *parts)


def _call_filled(call: Callable[[Tensor], Any], x: Tensor, least: int) -> Any:
    """Fill x up to `least` inputs with copies of the last; return the answers to x alone."""
    n = len(x)
    if n >= least:
        return call(x)
    answer = call(torch.cat([x, x[-1:].expand(least - n, *x.shape[1:])]))
    return map_tensors(lambda tensor: tensor[:n], answer)


def map_tensors(call: Callable[..., Tensor], *outputs: Any) -> Any:
    """Return one output in the containers of the outputs, whose tensors are `call` of theirs."""
    first = outputs[0]
    if isinstance(first, Tensor):
        return call(*outputs)
    if isinstance(first, Mapping):
        return {key: map_tensors(call, *(output[key] for output in outputs)) for key in first}
    if isinstance(first, tuple | list):
        return [map_tensors(call, *parts) for parts in zip(*outputs, strict=True)]
    return first
