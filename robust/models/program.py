"""Programs as modules: TorchScript, torch.export."""

import hashlib
from typing import Self

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

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.program(x)
        return logits

    def train(self, mode: bool = True) -> Self:
        self.training = mode
        return self


class Batched(nn.Module):
    """A module that takes any batch, around one that takes from `min_batch` to `max_batch` inputs at once.

    Larger batches are split, and the last part is filled up with copies of its last input, whose answers are dropped.
    """

    def __init__(self, module: nn.Module, min_batch: int, max_batch: int) -> None:
        super().__init__()
        self.module = module
        self.min_batch = min_batch
        self.max_batch = max_batch

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._part(part) for part in torch.split(x, self.max_batch)])

    def _part(self, x: Tensor) -> Tensor:
        n = len(x)
        if n < self.min_batch:
            x = torch.cat([x, x[-1:].expand(self.min_batch - n, *x.shape[1:])])
        logits: Tensor = self.module(x)
        return logits[:n]
