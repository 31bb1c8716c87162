"""The rounding of the deployed network as it is measured, beside the room that the bounds have for it.

The bounds have room for each rounding of sums in float32 (see `Node.noise`). They have none for half precision, for
kernels that do more than add up products, and for weights that are computed. So the network is compared with its graph
in float64: the largest difference of its logits, at the samples, at points around them and where all features are
largest or smallest, ten times over, and no less than a few roundings of the largest logit, is taken off the margins.
"""

import math
from itertools import product

import torch
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.attacks.rng import Rng
from robust.attacks.threats.lp import LpThreat
from robust.certification.errors import NoBoundsError
from robust.certification.graph import Graph
from robust.device import device_of
from robust.models.judged import judges

SAFETY = 10
ROUNDINGS = 16
POINTS = 3  # around each sample
OTHERWISE = 1e-2  # relative, of the largest logit: more is no rounding


def measure_slack(module: nn.Module, graph: Graph, x: Tensor, threat: LpThreat) -> Tensor:
    """Return what a margin at x, (b, *features), must exceed besides, (b,), to be one as deployed.

    It is infinite for a sample near which the deployed network's logits are infinite or no numbers.

    Raise NoBoundsError if the network does not answer as its graph does.
    """
    points = [x, *(threat.sample(x, Rng.of(k, torch.arange(len(x)))) for k in range(POINTS))]
    points += [threat.project(x + side * (threat.hi - threat.lo), x) for side in (1, -1)]  # sums round most there
    if len(x) == 1:
        points.append(torch.cat(points))  # a sample's answer may not depend on others
    finite = torch.ones(len(x), dtype=torch.bool)
    largest = apart = eps = 0.0
    with eval_mode(module), torch.no_grad():
        for form, each in product(judges(module), points):  # as it is deployed, also where that is compiled
            answers = form(each.to(device_of(module)))
            eps = torch.finfo(answers.dtype).eps
            answers = answers.cpu().double()
            usable = answers.isfinite().all(1)
            finite &= usable.view(-1, len(x)).all(0)
            size, distance = answers.abs(), (answers - graph(each.cpu().double())).abs()
            largest = max(largest, _largest(size[usable]))
            apart = max(apart, _largest(distance[usable].nan_to_num(math.inf)))
    if apart > OTHERWISE * max(1.0, largest):
        raise NoBoundsError("it answers otherwise than the graph that torch.export reads: by more than its input")
    return torch.where(finite, 2 * (SAFETY * apart + ROUNDINGS * eps * largest), math.inf).double()


def _largest(values: Tensor) -> float:
    return values.amax().item() if values.numel() else 0.0
