"""Modules that take no other batch than the one they were made with."""

import torch
from torch import Tensor, nn


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
