"""How often values are rounded: the terms of sums, by the names of operators in ATen."""

import math

import torch

from robust.certification.operators.operator import Call, Shapes

# Each value is a sum of several. Other operators of structure copy.
SUMS = (
    *("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    *("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "mean", "sum", "cumsum", "col2im"),
)
COPIES = ("where", "masked_fill", "neg")  # of operators on each element
INTERPOLATED = ("upsample_linear1d", "upsample_bilinear2d")
EXTRA = 6  # roundings of a value beside those of its sum: of products, of constants as they are kept, of a factor
LIBRARY = 16  # roundings of a function: twice those of the worst of them on a GPU


def count_terms(call: Call, shapes: Shapes) -> int:
    """Return how many values a sum of a call has at most; 0 for what only copies."""
    if call.name not in SUMS:
        return 0
    (shape, *_), name = shapes, call.name.removeprefix("_").removeprefix("adaptive_")
    if name in ("mean", "sum"):
        return math.prod(shape) // max(1, call(torch.zeros(shape)).numel())
    if not name.startswith("avg_pool"):
        return math.prod(shape)
    rank, size = int(name[len("avg_pool")]), call.args[1]
    if "adaptive" in call.name:
        out = call(torch.zeros(shape)).shape
        return math.prod(side // n + 2 for side, n in zip(shape[-rank:], out[-rank:], strict=True))
    sides = [size] if isinstance(size, int) else list(size)
    return math.prod(sides * rank if len(sides) == 1 else sides)
