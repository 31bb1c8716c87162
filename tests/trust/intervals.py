"""Training by interval bounds (Gowal et al. 2018, 1810.12715): of a perceptron whose robustness is then certified."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robust.data.dataset import Samples

INTERVALS = "intervals:"  # a recipe: with the number of epochs behind it
BATCH = 128


def bound_logits(net: nn.Sequential, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Bound the outputs of a perceptron with increasing activations, for inputs between low and high."""
    for layer in net:
        if isinstance(layer, nn.Linear):
            middle, radius = layer((low + high) / 2), (high - low) / 2 @ layer.weight.abs().T
            low, high = middle - radius, middle + radius
        else:
            low, high = layer(low), layer(high)
    return low, high


def fit_intervals(net: nn.Sequential, samples: Samples, eps: float, epochs: int) -> None:
    """Train in place: the ball grows over the first half, and so does the share of the worst logits in the loss."""
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    optimiser = torch.optim.Adam(net.parameters(), 0.003)
    for epoch in range(epochs):
        grown = min(1.0, 2 * epoch / epochs)
        for rows in torch.randperm(len(x)).split(BATCH):
            low, high = bound_logits(net, (x[rows] - grown * eps).clamp(0, 1), (x[rows] + grown * eps).clamp(0, 1))
            worst = torch.where(F.one_hot(y[rows], low.shape[1]).bool(), low, high)
            share = grown / 2
            loss = (1 - share) * F.cross_entropy(net(x[rows]), y[rows]) + share * F.cross_entropy(worst, y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
