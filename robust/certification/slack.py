"""How far the deployed network may be from the real numbers that the bounds are about.

The deployed network rounds, in float32 or less; the bounds are of the same network in exact arithmetic. What lies
between is measured, not proved: the largest difference of its logits from the graph's in float64, at the samples and at
points around them, ten times over, and no less than a few roundings of the largest logit.
"""

import torch
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.attacks.rng import Rng
from robust.attacks.threats.lp import LpThreat
from robust.certification.errors import NoBoundsError
from robust.certification.graph import Graph
from robust.device import device_of

SAFETY = 10
ROUNDINGS = 16
POINTS = 3  # around each sample
OTHERWISE = 1e-2  # relative, of the largest logit: more is no rounding


def measure_slack(module: nn.Module, graph: Graph, x: Tensor, threat: LpThreat) -> float:
    """Return what a margin at x, (b, *features), in exact arithmetic must exceed to be one of the deployed network.

    Raise NoBoundsError if the network does not answer as its graph does.
    """
    points = [x, *(threat.sample(x, Rng.of(k, torch.arange(len(x)))) for k in range(POINTS))]
    largest = apart = 0.0
    eps = 0.0
    with eval_mode(module), torch.no_grad():
        for each in points:
            answers = module(each.to(device_of(module)))
            eps = torch.finfo(answers.dtype).eps
            answers = answers.cpu().double()
            largest = max(largest, answers.abs().amax().item())
            apart = max(apart, (answers - graph(each.cpu().double())).abs().amax().item())
    if not apart <= OTHERWISE * max(1.0, largest):
        raise NoBoundsError("it answers otherwise than the graph that torch.export reads: by more than its input")
    return 2 * (SAFETY * apart + ROUNDINGS * eps * largest)
