"""--robust-normalize: mean and deviation as part of the model.

Torch is not imported at the top: the option is read with this module.
"""

import math
from typing import TYPE_CHECKING

from robust.attacks.registry import suggest

if TYPE_CHECKING:
    from torch import Tensor, nn

NONE = "none"
# The customary figures of the training images, in [0, 1], by channel.
NAMED = {
    "imagenet": "0.485,0.456,0.406/0.229,0.224,0.225",
    "cifar10": "0.4914,0.4822,0.4465/0.247,0.2435,0.2616",
}
FORM = "write MEAN/STD, as 0.5/0.25 or 0.485,0.456,0.406/0.229,0.224,0.225; or 255 to divide by 255"


def read_normalize(text: str) -> str:
    """Return a name or "MEAN/STD" in the canonical spelling; "none" stays. ValueError for anything else.

    A whole number above 1 is a divisor, as 255 for pixels from 0 to 255. Other numbers alone could be a mean as well.
    """
    if text == NONE:
        return NONE
    written = f"0/{text}" if text.isdecimal() and int(text) > 1 else NAMED.get(text, text)
    if "/" not in written:
        raise ValueError(f"unknown normalisation {suggest(text, [*NAMED, NONE])}; or {FORM}")
    try:
        mean, std = ([float(number) for number in part.split(",")] for part in written.split("/"))
    except ValueError:
        raise ValueError(f"{text!r} is not of numbers; {FORM}") from None
    if len(mean) != len(std):
        raise ValueError(f"there are {len(mean)} means and {len(std)} deviations; {FORM}")
    if not all(math.isfinite(number) for number in (*mean, *std)) or min(std) <= 0:
        raise ValueError(f"means must be finite and deviations above 0, got {text}")
    return format_normalize(mean, std)


def format_normalize(mean: list[float], std: list[float]) -> str:
    """Return "MEAN/STD" in the canonical spelling."""
    return "/".join(",".join(f"{number:.6g}" for number in part) for part in (mean, std))


def add_normalization(module: "nn.Module", text: str | None) -> "nn.Module":
    """Make the module normalise its inputs, as the canonical `text` says, and return it.

    Mean and deviation are buffers that no state dict holds: they are part of the weights' hash, and files of weights
    fit the module as before. The module raises a ValueError if their number is not that of an input's channels.
    """
    if text is None or text == NONE or "robust_mean" in dict(module.named_buffers(recurse=False)):
        return module  # a factory may return the same module twice
    import torch

    for name, part in zip(("robust_mean", "robust_std"), text.split("/"), strict=True):
        module.register_buffer(name, torch.tensor([float(number) for number in part.split(",")]), persistent=False)
    module.register_forward_pre_hook(_normalise)
    return module


def find_normalization(module: "nn.Module") -> str:
    """Return how the module normalises by `add_normalization`, in the canonical spelling; "none" if it does not."""
    buffers = dict(module.named_buffers(recurse=False))
    if "robust_mean" not in buffers:
        return NONE
    return format_normalize(*(buffers[name].tolist() for name in ("robust_mean", "robust_std")))


def describe_normalize(text: str | None) -> tuple[str, ...]:
    """Return the notes on a model that is normalised as `text` says."""
    return () if text is None or text == NONE else (f"inputs are normalised by mean/deviation {text}",)


def _normalise(module: "nn.Module", inputs: "tuple[Tensor]") -> "Tensor":
    """Return inputs (n, *shape) normalised, by one number or by one for each channel of images, (n, channels, ...)."""
    x, mean, std = inputs[0], module.get_buffer("robust_mean"), module.get_buffer("robust_std")
    channels = x.shape[1] if x.dim() > 3 else 1
    if len(mean) not in (1, channels):
        raise ValueError(f"--robust-normalize is for {len(mean)} channels, and they have {channels}")
    by_channel = (-1, *[1] * (x.dim() - 2))
    return (x - mean.view(by_channel)) / std.view(by_channel)
