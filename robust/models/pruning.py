"""Pruning: the smallest weights of all layers together become 0, by torch.nn.utils.prune, and stay so in a training.

By magnitude, as Han et al. 2015 (1506.02626), over the whole network.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune

from robust.models.packing import CONVOLUTIONS, LINEAR


class Mask(nn.Module):
    """A parametrisation of a weight: what the mask has cut stays 0 whatever the weight becomes."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def prune_weights(module: nn.Module, share: float) -> nn.Module:
    """Return a copy in which the smallest share of the weights of linear and convolutional layers is held at 0.

    It can be trained on; `release` makes a plain network of it. ValueError if there are no such layers.
    """
    pruned = copy.deepcopy(module)
    layers = _list_layers(pruned)
    if not layers:
        raise ValueError("has no linear or convolutional layer whose weights could be pruned")
    prune.global_unstructured(
        [(layer, "weight") for layer in layers], pruning_method=prune.L1Unstructured, amount=share
    )
    for layer in layers:
        mask = dict(layer.named_buffers(recurse=False))["weight_mask"].clone()
        prune.remove(layer, "weight")  # type: ignore[no-untyped-call]
        parametrize.register_parametrization(layer, "weight", Mask(mask))
    return pruned


def release(module: nn.Module) -> nn.Module:
    """Return a plain copy of a pruned network: its weights are parameters again, with zeros among them."""
    released = copy.deepcopy(module)
    for layer in released.modules():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return released


def measure_zeros(module: nn.Module) -> float:
    """Return the share of the weights of linear and convolutional layers that are 0."""
    weights = [layer.weight.detach() for layer in _list_layers(module)]
    with torch.no_grad():
        return sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)


def _list_layers(module: nn.Module) -> list[nn.Linear]:
    """List the layers, each once: a layer that stands in several places is one."""
    return [part for part in module.modules() if isinstance(part, (*LINEAR, *CONVOLUTIONS))]  # type: ignore[misc]
