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
