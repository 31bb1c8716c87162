"""Tiny random networks and their exact distances: by enumeration of the linear regions, in tests/oracles."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.duel import Attacker, adversarial, spend
from benchmarks.outcomes import Outcome
from benchmarks.subjects import Subject
from robust.attacks import LpThreat
from tests.oracles.margins import adversarial_distance
from tests.oracles.regions import Layers, answer

SIZES = (4, 7, 4)  # features, hidden units, classes
SHAPE = (1, 1, 2, 2)  # of a sample: torchattacks takes pictures alone
NEAREST, FARTHEST = 0.01, 0.9  # of the distances that are kept: a ball is at most as wide as the inputs


@dataclass(frozen=True, slots=True)
class Exact:
    """A sample, its network, and the distance of its nearest adversarial example in linf."""

    model: nn.Module
    x: Tensor  # of SHAPE
    y: Tensor  # (1,)
    distance: float

    def ball(self, ratio: float) -> LpThreat:
        """Return the ball whose radius is a ratio times the distance: above 1 it holds an adversarial example."""
        return LpThreat.parse(f"linf:{ratio * self.distance:.9f}")


def draw_exact(networks: int, inputs: int, seed: int) -> list[Exact]:
    """Return random inputs of random networks that have an adversarial example, neither at hand nor very far."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(networks):
        layers = [(rng.normal(size=(n, m)), rng.normal(size=n) / 2) for m, n in pairwise(SIZES)]
        model = to_module(layers)
        for x in rng.uniform(size=(inputs, SIZES[0])):
            y = int(answer(layers, x).argmax())
            distance = adversarial_distance(layers, x, y)
            if NEAREST < distance < FARTHEST:
                found.append(Exact(model, torch.from_numpy(x).float().view(SHAPE), torch.tensor([y]), distance))
    return found


def to_module(layers: Layers) -> nn.Module:
    """Return the layers, with a ReLU between two, as a module in float32."""
    parts: list[nn.Module] = []
    for weight, bias in layers:
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data, linear.bias.data = torch.from_numpy(weight).float(), torch.from_numpy(bias).float()
        parts += [linear, nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *parts[:-1]).eval().requires_grad_(False)


def attack_exact(samples: list[Exact], ratio: float, attacker: Callable[[LpThreat], Attacker], seed: int) -> Outcome:
    """Attack each sample in its own ball; the counts and the time are those of all."""
    left, forwards, backwards, seconds = [], 0, 0, 0.0
    for index, each in enumerate(samples):
        threat = each.ball(ratio)
        effort = spend(attacker(threat), Subject("exact", each.model, each.x, each.y, 1), seed)
        if not adversarial(each.model, effort.x_adv, each.x, each.y, threat).any():
            left.append(index)
        forwards, backwards = forwards + effort.forwards, backwards + effort.backwards
        seconds += effort.seconds
    return Outcome(tuple(left), forwards, backwards, round(seconds, 3), "")
