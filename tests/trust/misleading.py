"""Defences whose loss is smooth and leads nowhere: the label is the base's, and something else writes the rest."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def top(logits: Tensor) -> Tensor:
    """Return 1 at the largest logit and 0 elsewhere, without a gradient."""
    return F.one_hot(logits.detach().argmax(1), logits.shape[1]).to(logits)


def margin_of(logits: Tensor) -> Tensor:
    """Return how far the largest logit is above the next, (n, 1)."""
    best = logits.topk(2, 1).values
    return best[:, :1] - best[:, 1:2]


class Confidence(nn.Module):
    """The label of the base, with a confidence that another network writes."""

    def __init__(self, base: nn.Module, writer: nn.Module) -> None:
        super().__init__()
        self.base, self.writer = base, writer

    def forward(self, x: Tensor) -> Tensor:
        return top(self.base(x)) * (1 + F.softplus(self.writer(x).logsumexp(1, keepdim=True)))


class Decoys(nn.Module):
    """Below the largest logit of the base stand those of another network, always by more than a little."""

    def __init__(self, base: nn.Module, decoy: nn.Module, gap: float) -> None:
        super().__init__()
        self.base, self.decoy, self.gap = base, decoy, gap

    def forward(self, x: Tensor) -> Tensor:
        first, others = top(self.base(x)), self.decoy(x)
        return torch.where(first > 0, torch.zeros_like(others), -self.gap - F.softplus(-others))


class Hidden(nn.Module):
    """A network that is kept out of the modules, so that no logits inside it are outputs of submodules."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.hidden = (inner.eval(),)

    def forward(self, x: Tensor) -> Tensor:
        return self.hidden[0](x)


class OneDecoy(nn.Module):
    """One wrong class stands right below the largest logit wherever another network says so, and never above it."""

    def __init__(self, base: nn.Module, decoy: nn.Module, offset: int, gap: float, scale: float) -> None:
        super().__init__()
        self.hidden, self.offset, self.gap, self.scale = (base, decoy), offset, gap, scale  # of no hook's modules

    def forward(self, x: Tensor) -> Tensor:
        logits, others = self.scale * self.hidden[0](x), self.hidden[1](x)
        best, label = logits.max(1, keepdim=True)
        one = (label + self.offset) % logits.shape[1]
        return logits.scatter(1, one, best - self.gap - F.softplus(-others.gather(1, one)))


class Waves(nn.Module):
    """The margin m becomes h(m) > 0, which has valleys: descent ends in one, far from the boundary."""

    def __init__(self, base: nn.Module, length: float, height: float) -> None:
        super().__init__()
        self.base, self.length, self.height = base, length, height

    def forward(self, x: Tensor) -> Tensor:
        logits = self.base(x)
        m = margin_of(logits)
        wave = self.height * (1 - (2 * math.pi * m / self.length).cos()) * m / (1 + m)
        return logits + top(logits) * wave


class Thermostat(nn.Module):
    """A temperature that falls with the confidence, so that a smaller margin looks like a larger one."""

    def __init__(self, base: nn.Module, power: float, scale: float) -> None:
        super().__init__()
        self.base, self.power, self.scale = base, power, scale

    def forward(self, x: Tensor) -> Tensor:
        logits = self.base(x)
        return self.scale * logits / (margin_of(logits) + 1e-3) ** self.power


class Inverted(nn.Module):
    """A margin that shrinks as that of the base grows: who makes it smaller moves away from the boundary."""

    def __init__(self, base: nn.Module, height: float, offset: float) -> None:
        super().__init__()
        self.base, self.height, self.offset = base, height, offset

    def forward(self, x: Tensor) -> Tensor:
        logits = self.base(x)
        m = margin_of(logits)
        return logits + top(logits) * (self.height / (m + self.offset) - m)


class Squashed(nn.Module):
    """Logits through a function that is flat but near 0; a little of another network is all that has a slope."""

    def __init__(self, base: nn.Module, decoy: nn.Module, scale: float, part: float) -> None:
        super().__init__()
        self.base, self.decoy, self.scale, self.part = base, decoy, scale, part

    def forward(self, x: Tensor) -> Tensor:
        logits = self.base(x)
        centred = logits - logits.topk(2, 1).values.mean(1, keepdim=True)
        return (self.scale * centred).tanh() + self.part * self.decoy(x).tanh()


class Rounded(nn.Module):
    """Logits on whole numbers, and a little of another network."""

    def __init__(self, base: nn.Module, decoy: nn.Module, step: float, part: float) -> None:
        super().__init__()
        self.base, self.decoy, self.step, self.part = base, decoy, step, part

    def forward(self, x: Tensor) -> Tensor:
        logits = self.base(x)
        first = top(logits)
        return (logits / self.step).round() * self.step + first * self.step + self.part * self.decoy(x).tanh()


class Clamped(nn.Module):
    """The distance of each logit below the largest, clipped at a small ceiling; another network writes larger parts."""

    def __init__(self, base: nn.Module, decoy: nn.Module, ceiling: float) -> None:
        super().__init__()
        self.base, self.decoy, self.ceiling = base, decoy, ceiling

    def forward(self, x: Tensor) -> Tensor:
        logits = self.base(x)
        lower = logits.amax(1, keepdim=True) - logits
        return top(logits) + 0.1 * self.decoy(x).tanh() - lower.clamp(max=self.ceiling)


class Ensemble(nn.Module):
    """Members that saturate: the logarithm of the mean of probabilities at a low temperature."""

    def __init__(self, members: list[nn.Module], temperature: float, floor: float) -> None:
        super().__init__()
        self.members, self.temperature, self.floor = nn.ModuleList(members), temperature, floor

    def forward(self, x: Tensor) -> Tensor:
        votes = torch.stack([(member(x) / self.temperature).softmax(1) for member in self.members]).mean(0)
        return (votes + self.floor).log()


class Voting(nn.Module):
    """Hard votes, and a small part of the probabilities of a member that has no vote."""

    def __init__(self, members: list[nn.Module], silent: nn.Module, part: float, *, log: bool) -> None:
        super().__init__()
        self.members, self.silent, self.part, self.log = nn.ModuleList(members), silent, part, log

    def forward(self, x: Tensor) -> Tensor:
        votes = torch.stack([top(member(x)) for member in self.members]).mean(0)
        mixed = votes + self.part * self.silent(x).softmax(1)
        return mixed.log() if self.log else mixed


class Mean(nn.Module):
    """The mean of the members' logits, each by its own size."""

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([member(x).log_softmax(1) for member in self.members]).mean(0)


class Ranks(nn.Module):
    """The soft rank of each logit in place of itself, and a little of another network."""

    def __init__(self, base: nn.Module, decoy: nn.Module, width: float, part: float) -> None:
        super().__init__()
        self.base, self.decoy, self.width, self.part = base, decoy, width, part

    def forward(self, x: Tensor) -> Tensor:
        logits = self.base(x)
        ranks = ((logits[:, :, None] - logits[:, None]) / self.width).sigmoid().sum(2)
        return ranks + self.part * self.decoy(x).tanh()


class Gate(nn.Module):
    """A gate that is nearly hard mixes the label of the base with a network of soft answers, and never flips it."""

    def __init__(self, base: nn.Module, soft: nn.Module, sharpness: float) -> None:
        super().__init__()
        self.base, self.soft, self.sharpness = base, soft, sharpness

    def forward(self, x: Tensor) -> Tensor:
        label, soft = top(self.base(x)), self.soft(x)
        gate = (self.sharpness * margin_of(soft)).sigmoid()
        return label * (1 + gate) + (1 - gate) * soft.softmax(1) * 0.5
