"""Functions that are told to the exporter in terms of simpler ones, whose bounds are known.

A softmax is written with differences of its arguments, which are affine: 1 / sum_j exp(x_j - x_i). So its bounds are
tighter than those of a quotient whose two sides know nothing of each other.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


def softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Return the softmax along a dimension."""
    x = x.movedim(dim, -1)
    apart = x.unsqueeze(-2) - x.unsqueeze(-1)  # (..., i, j): x_j - x_i
    return apart.exp().sum(-1).reciprocal().movedim(-1, dim)


def log_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Return the logarithm of the softmax along a dimension."""
    x = x.movedim(dim, -1)
    apart = x.unsqueeze(-2) - x.unsqueeze(-1)
    return apart.exp().sum(-1).log().neg().movedim(-1, dim)


def divide(x: Any, y: Any) -> Tensor:
    """Return the quotient; by a value of the network it is a product with its inverse."""
    inverse = y.reciprocal() if isinstance(y, Tensor) else 1 / y
    quotient: Tensor = x * inverse
    return quotient


def layer_norm(
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    """Return x normalised over its last dimensions."""
    dims = [*range(x.dim() - len(shape), x.dim())]
    return _scaled(_normalised(x, dims, eps), weight, bias)


def rms_norm(x: Tensor, shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Return x divided by its root mean square over its last dimensions."""
    dims = [*range(x.dim() - len(shape), x.dim())]
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    return _scaled(x * (x.square().mean(dims, keepdim=True) + eps).rsqrt(), weight, None)


def group_norm(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5, *_: Any
) -> Tensor:
    """Return x, (n, channels, ...), normalised over each group of channels."""
    parts = x.reshape(len(x), groups, -1)
    sides = [-1, *[1] * (x.dim() - 2)]
    weight, bias = (None if each is None else each.view(sides) for each in (weight, bias))
    return _scaled(_normalised(parts, [2], eps).view(x.shape), weight, bias)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    dropout: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return scaled dot-product attention; what has a mask stays as it is."""
    if mask is not None or is_causal or enable_gqa or dropout:
        return NotImplemented
    scores = (q * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)) @ k.transpose(-2, -1)
    return softmax(scores, -1) @ v


def _normalised(x: Tensor, dims: list[int], eps: float) -> Tensor:
    centred = x - x.mean(dims, keepdim=True)
    return centred * (centred.square().mean(dims, keepdim=True) + eps).rsqrt()


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


SIMPLER: dict[Any, Callable[..., Any]] = {
    aten.softmax.int: softmax,
    aten._softmax.default: lambda x, dim, half: softmax(x, dim),
    aten.log_softmax.int: log_softmax,
    aten._log_softmax.default: lambda x, dim, half: log_softmax(x, dim),
    aten.div.Tensor: divide,
    aten.layer_norm.default: layer_norm,
    aten.group_norm.default: group_norm,
    aten.rms_norm.default: rms_norm,
    aten.scaled_dot_product_attention.default: attend,
}
