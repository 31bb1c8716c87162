"""Functions that are told to the exporter in terms of simpler ones, whose bounds are known.

Where torch itself knows how to take one apart, as it does for LSTM, that is used; but not for those below, whose bounds
would be loose then, or unknown. A softmax is written with differences of its arguments, which are affine:
1 / sum_j exp(x_j - x_i). So its bounds are tighter than those of a quotient whose two sides know nothing of each other.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from robust.certification.operators import KNOWN

aten = torch.ops.aten


def softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Return the softmax along a dimension."""
    x = x.movedim(dim, -1)
    apart = x.unsqueeze(-2) - x.unsqueeze(-1)  # (..., i, j): x_j - x_i
    return apart.exp().sum(-1).reciprocal().movedim(-1, dim)


def masked_softmax(x: Tensor, mask: Tensor) -> Tensor:
    """Return the softmax along the last dimension of what a mask keeps, or of x plus a mask of floats."""
    keep = mask.to(x.dtype) if mask.dtype is torch.bool else mask.exp()
    apart = x.unsqueeze(-2) - x.unsqueeze(-1)
    return keep * (apart.exp() * keep.unsqueeze(-2)).sum(-1).reciprocal()


def log_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Return the logarithm of the softmax along a dimension."""
    x = x.movedim(dim, -1)
    apart = x.unsqueeze(-2) - x.unsqueeze(-1)
    return apart.exp().sum(-1).log().neg().movedim(-1, dim)


def logsumexp(x: Tensor, dims: list[int], keepdim: bool = False) -> Tensor:
    """Return the logarithm of the sum of exponentials, of differences from the mean: they do not overflow."""
    mean = x.mean(dims, keepdim=True)
    found = mean + (x - mean).exp().sum(dims, keepdim=True).log()
    return found if keepdim else found.squeeze(dims)


def minimum(x: Tensor, y: Tensor) -> Tensor:
    """Return the smaller of two."""
    return -torch.maximum(-x, -y)


def least(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Return the least values along a dimension, and where they are."""
    values, places = (-x).max(dim, keepdim)
    return -values, places


def vector_norm(
    x: Tensor, order: float = 2, dims: Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """Return the norm of these orders; others stay as they are."""
    dims = list(range(x.dim())) if not dims else list(dims)
    if order == 2:
        return root(x.square().sum(dims, keepdim))
    if order == 1:
        return x.abs().sum(dims, keepdim)
    return x.abs().amax(dims, keepdim) if order == math.inf else NotImplemented


def root(x: Tensor) -> Tensor:
    """Return the root of a sum of squares, whose bounds may be a little below 0."""
    return x.clamp_min(0).sqrt()


def variance(
    x: Tensor, dims: Sequence[int] | None = None, *, correction: float | None = None, keepdim: bool = False
) -> Tensor:
    """Return the variance along dimensions."""
    dims = list(range(x.dim())) if not dims else list(dims)
    free = math.prod(x.shape[dim] for dim in dims) - (1 if correction is None else correction)
    return (x - x.mean(dims, keepdim=True)).square().sum(dims, keepdim) * (1 / free if free > 0 else math.nan)


def with_mean(function: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    """Return the function that returns the mean beside what a function of `variance` returns."""

    def both(
        x: Tensor, dims: Sequence[int] | None = None, *, correction: float | None = None, keepdim: bool = False
    ) -> tuple[Tensor, Tensor]:
        along = list(range(x.dim())) if not dims else list(dims)
        return function(x, dims, correction=correction, keepdim=keepdim), x.mean(along, keepdim)

    return both


def deviation(x: Tensor, dims: Sequence[int] | None = None, **options: Any) -> Tensor:
    """Return the standard deviation along dimensions."""
    return root(variance(x, dims, **options))


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


def instance_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    of_input: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> Tensor:
    """Return each channel normalised by its own mean and variance, or by those that are kept."""
    if of_input:
        return group_norm(x, x.shape[1], weight, bias, eps)
    return torch.nn.functional.batch_norm(x, mean, variance, weight, bias, False, momentum, eps)


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
    """Return scaled dot-product attention; what has groups of heads or a dropout stays as it is."""
    if enable_gqa or dropout:
        return NotImplemented
    scores = (q * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)) @ k.transpose(-2, -1)
    if is_causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril()
    return (softmax(scores, -1) if mask is None else masked_softmax(scores, mask)) @ v


def distances(x: Tensor, y: Tensor, order: float, mode: int | None) -> Any:
    """Return the distance of each row of x from each of y."""
    return vector_norm(x.unsqueeze(-2) - y.unsqueeze(-3), order, [-1])


def bilinear(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the products of each pair of numbers of x and y, with weights, (out, x, y), summed."""
    found = torch.einsum("...i,kij,...j->...k", x, weight, y)
    return found if bias is None else found + bias


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
    aten.logsumexp.default: logsumexp,
    aten.logaddexp.default: lambda x, y: x + torch.nn.functional.softplus(y - x),
    aten.minimum.default: minimum,
    aten.amin.default: lambda x, dims=(), keepdim=False: -(-x).amax(dims, keepdim),
    aten.min.default: lambda x: -(-x).max(),
    aten.min.dim: least,
    aten.min.other: minimum,
    aten.linalg_vector_norm.default: vector_norm,
    aten.var.correction: variance,
    aten.std.correction: deviation,
    aten.var_mean.correction: with_mean(variance),
    aten.std_mean.correction: with_mean(deviation),
    aten._cdist_forward.default: distances,
    aten.bilinear.default: bilinear,
    aten.div.Tensor: divide,
    aten.layer_norm.default: layer_norm,
    aten.group_norm.default: group_norm,
    aten.instance_norm.default: instance_norm,
    aten.rms_norm.default: rms_norm,
    aten.scaled_dot_product_attention.default: attend,
}


@cache
def all_simpler() -> dict[Any, Callable[..., Any]]:
    """Return SIMPLER, with the functions of torch that take other operators without bounds apart."""
    of_torch = torch.export.default_decompositions()
    return {op: of_torch[op] for op in of_torch if _name(op) not in KNOWN} | SIMPLER


def _name(op: Any) -> str:
    return str(op).split(".")[1]  # "aten.relu.default"
