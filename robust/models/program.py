"""Whole programs as modules: TorchScript, torch.export."""

import hashlib
from typing import Self

import torch
from torch import Tensor, nn

from robust.models.format import Source


class Program(nn.Module):
    """A program from a file. Its mode is baked in, so that it is not told of another.

    The file's digest is a buffer: a program whose weights are folded into its code has no others to be told by.
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
    """Any batch for a module that takes from `least` to `most` inputs at once.

    Larger ones are cut, and the last part is filled up with copies of its last input, whose answers are thrown away.
    """

    def __init__(self, module: nn.Module, least: int, most: int) -> None:
        super().__init__()
        self.module = module
        self.least = least
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._part(part) for part in torch.split(x, self.most)])

    def _part(self, x: Tensor) -> Tensor:
        n = len(x)
        if n < self.least:
            x = torch.cat([x, x[-1:].expand(self.least - n, *x.shape[1:])])
        logits: Tensor = self.module(x)
        return logits[:n]
