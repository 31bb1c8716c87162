"""Models with one fault each, and the classifier that they are made from."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from robust.data.dataset import DATA

DIGITS = DATA.get("digits")


class Nearest(nn.Module):
    """A classifier by the nearest class mean: 90 % of the digits, no training. `first` and `last` inject a fault."""

    def __init__(self, first=lambda x: x, last=lambda z: z):
        super().__init__()
        train = DIGITS.load("train")
        means = torch.stack([torch.from_numpy(train.x[train.y == k]).flatten(1).mean(0) for k in range(10)])
        self.linear = nn.Linear(64, 10)
        with torch.no_grad():
            self.linear.weight.copy_(2 * means)
            self.linear.bias.copy_(-means.square().sum(1))
        self.first, self.last = first, last

    def forward(self, x):
        return self.last(self.linear(self.first(x).flatten(1)))


def nan_for_some(z):
    return z.masked_fill(z[:, :1] > z[:, 1:].amax(1, keepdim=True), torch.nan)


class Half(Nearest):
    def forward(self, x):
        return super().forward(x.bfloat16().float()).bfloat16()


class Drifting(Nearest):
    """A model that every forward pass changes."""

    def forward(self, x):
        with torch.no_grad():
            self.linear.bias.add_(0.01 * super().forward(x).mean(0))
        return super().forward(x)


class Ignores(nn.Dropout):
    def train(self, mode=True):
        return super().train(True)


class Overwrites(Nearest):
    def forward(self, x):
        z = super().forward(x).exp()
        y = z.log()
        z += 1
        return y


def norm(x):
    return (x - 0.5) / 0.5


SHUFFLE = torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])

# Fault -> (factory of the model, names of the expected findings)
FAULTY = {
    "dropout of a function": (lambda: Nearest(F.dropout), {"nondeterministic", "wrong-mode"}),
    "a layer that ignores eval": (lambda: Nearest(last=Ignores(0.3)), {"nondeterministic", "wrong-mode"}),
    "noise": (lambda: Nearest(lambda x: x + 0.1 * torch.randn_like(x)), {"nondeterministic"}),
    "noise of numpy": (
        lambda: Nearest(lambda x: x + torch.from_numpy(np.random.normal(0, 0.1, x.shape).astype(np.float32))),
        {"nondeterministic"},
    ),
    "a network that learns": (Drifting, {"nondeterministic"}),
    "statistics of the batch": (
        lambda: Nearest(nn.BatchNorm2d(1, track_running_stats=False)),
        {"wrong-mode", "depends-on-batch"},
    ),
    "the mean of the batch": (lambda: Nearest(last=lambda z: z - z.mean(0)), {"depends-on-batch"}),
    "the next sample": (lambda: Nearest(last=lambda z: z + 0.3 * z.roll(1, 0)), {"depends-on-batch"}),
    "no batch of one": (lambda: Nearest(last=torch.squeeze), {"depends-on-batch"}),
    "NaN for some": (lambda: Nearest(last=nan_for_some), {"not-finite"}),
    "detached": (lambda: Nearest(torch.Tensor.detach), {"no-gradient"}),
    "rounded": (lambda: Nearest(lambda x: (16 * x).round() / 16), {"no-gradient"}),
    "written over": (Overwrites, {"no-gradient"}),
    "gradients that are no numbers": (
        lambda: Nearest(lambda x: x + (x - x.detach()).square().sqrt()),
        {"no-gradient"},
    ),
    "gradients for some": (
        lambda: Nearest(last=lambda z: torch.where(z.amax(1, keepdim=True) > 11, z.detach(), z)),
        {"no-gradient"},
    ),
    "far apart": (lambda: Nearest(last=lambda z: 1000 * z), {"saturated"}),
    "a softmax": (lambda: Nearest(last=lambda z: z.softmax(1)), {"probabilities"}),
    "a sigmoid": (lambda: Nearest(last=lambda z: (z - 10).sigmoid()), {"probabilities"}),
    "a log_softmax": (lambda: Nearest(last=lambda z: z.log_softmax(1)), {"log-probabilities"}),
    "half precision": (Half, {"low-precision"}),
    "half precision inside": (lambda: Nearest(last=lambda z: z.half().float()), {"low-precision"}),
    "always the same": (lambda: Nearest(last=lambda z: z + 100 * torch.eye(10)[3]), {"guessing", "normalisation"}),
    "inputs as bytes": (lambda: Nearest(lambda x: x / 255), {"guessing", "normalisation"}),
    "normalised inputs": (lambda: Nearest(lambda x: 0.3 * x + 0.35), {"normalisation"}),
    "normalised twice": (lambda: Nearest(lambda x: ((norm(norm(x)) + 1) / 2).abs()), {"guessing", "normalisation"}),
    "black on white": (lambda: Nearest(lambda x: 1 - x), {"guessing", "picture-order"}),
    "columns first": (lambda: Nearest(lambda x: x.mT), {"guessing", "picture-order"}),
    "half a turn": (lambda: Nearest(lambda x: x.flip(-1, -2)), {"picture-order"}),
    "a quarter turn": (lambda: Nearest(lambda x: x.rot90(1, (-2, -1))), {"guessing", "picture-order"}),
    "a quarter turn back": (lambda: Nearest(lambda x: x.rot90(-1, (-2, -1))), {"picture-order"}),
    "half a turn and columns first": (lambda: Nearest(lambda x: x.mT.flip(-1, -2)), {"picture-order"}),
    "left to right": (lambda: Nearest(lambda x: x.flip(-1)), {"picture-order"}),
    "upside down": (lambda: Nearest(lambda x: x.flip(-2)), {"picture-order"}),
    "labels from one": (lambda: Nearest(last=lambda z: z.roll(1, 1)), {"guessing", "labels-permuted"}),
    "classes in another order": (lambda: Nearest(last=lambda z: z[:, SHUFFLE]), {"labels-permuted"}),
    "two classes exchanged": (
        lambda: Nearest(last=lambda z: z[:, [0, 1, 2, 5, 4, 3, 6, 7, 8, 9]]),
        {"labels-permuted"},
    ),
}


def make_linear():
    """Make the classifier by the nearest class mean as a plain linear network, for which FGSM is optimal."""
    train = DIGITS.load("train")
    means = torch.stack([torch.from_numpy(train.x[train.y == k]).flatten(1).mean(0) for k in range(10)])
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():
        net[1].weight.copy_(2 * means)
        net[1].bias.copy_(-means.square().sum(1))
    return net


class Band(nn.Module):
    """A model with another answer if the pixels differ from whole grey levels by `low` to `high`, and only then."""

    def __init__(self, low, high):
        super().__init__()
        self.base, self.low, self.high = make_linear(), low, high

    def forward(self, x):
        away = ((16 * x).round() / 16 - x).detach().abs().flatten(1).amax(1, keepdim=True)
        logits = self.base(x)
        return torch.where((away > self.low) & (away < self.high), logits.roll(1, 1), logits)


class Jumpy(nn.Module):
    """A model whose margin is multiplied by 1 to 10, by a factor that differs from place to place."""

    def __init__(self):
        super().__init__()
        self.base = make_linear()

    def forward(self, x):
        return self.base(x) * (1 + 9 * (1e4 * x.detach().flatten(1).sum(1, keepdim=True)).sin().abs())


class Fine(nn.Module):
    """A steep ripple of negligible height."""

    def forward(self, x):
        return x + 1e-5 * (1e9 * x.double()).sin().to(x)
