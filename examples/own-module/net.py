"""A user's module, which normalises its inputs itself."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Net(nn.Module):
    """Two convolutions and a linear layer, for grey images of 8x8 pixels from 0 to 1."""

    mean: Tensor
    std: Tensor

    def __init__(self, width: int = 32, classes: int = 10) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(0.3))
        self.register_buffer("std", torch.tensor(0.35))
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.head = nn.Linear(width * 4 * 4, classes)

    def forward(self, x: Tensor) -> Tensor:  # (n, 1, 8, 8) -> (n, classes)
        x = F.relu(self.first((x - self.mean) / self.std))
        x = F.relu(self.second(x))
        return self.head(x.flatten(1))  # logits: no softmax, whose gradient vanishes
