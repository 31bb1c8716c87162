"""Check that a model takes the samples and answers with logits; say in one line what to do if it does not."""

import re

import torch
from torch import Tensor, nn

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import eval_mode
from robust.attacks.text import first_line
from robust.data.dataset import Dataset, Samples
from robust.data.maps import advise_ignored
from robust.device import device_of
from robust.user_code import explain_warning


def check_model(module: nn.Module, dataset: Dataset, samples: Samples) -> None:
    """Check that the model takes two samples and answers with logits; ValueError, in one line, if it does not.

    The preflight checks what else may be wrong.
    """
    x = samples.x[:2]
    try:
        with eval_mode(module), torch.no_grad():
            logits = module(torch.tensor(x, device=device_of(module)))
    except Exception as error:
        message = first_line(error)
        reason = _explain_error(error) or _explain_refusal(module, x.shape[1:])
        raise ValueError(
            f"the model does not take {dataset.name}, samples of shape {list(x.shape[1:])}: {message}; {reason}"
        ) from error
    expected = (len(x), dataset.classes, *samples.map_size)
    if not isinstance(logits, Tensor) or logits.shape != expected:
        got = f"shape {list(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        of = f"{dataset.classes} {'classes' if dataset.labels in ('class', 'map') else 'labels a sample'}"
        what = "values" if dataset.labels == "values" else "logits"
        advice = _explain_maps if samples.map_size else _explain_width
        raise ValueError(
            f"the model must answer {len(x)} samples of {dataset.name}, {of}, "
            f"with {what} of shape {[*expected]}, got {got}{advice(logits, samples)}"
        )
    if not logits.is_floating_point():
        raise ValueError(f"the model must answer with logits, floating-point numbers, got {logits.dtype}")


def _explain_error(error: Exception) -> str:
    """Return what to do if the model warns and a filter raises it, or needs more than the inputs; "" otherwise."""
    if reason := explain_warning(error):
        return reason
    missing = re.search(r"forward\(\) missing \d+ required \w+ arguments?: '(\w+)'", str(error))
    if not isinstance(error, TypeError) or missing is None:
        return ""
    name = missing[1]
    return (
        f"give {name} in a model of three lines, and name it: class Wrapped(Net): def forward(self, x): "
        f"return super().forward(x, {name}=...)"
    )


def _explain_width(answer: object, samples: Samples) -> str:
    """Return advice on an answer, (n, k), that has another number of classes than the labels need; else nothing."""
    if isinstance(answer, Tensor) and not answer.is_floating_point():
        return "; these are classes: return the logits before the argmax, or write it as blackbox:FILE.py:FACTORY"
    if isinstance(answer, Tensor) and samples.y.ndim == 1 and answer.numel() == len(answer):
        return "; if the labels are values, say how far an answer may be off: --robust-criterion=within:T"
    if not isinstance(answer, Tensor) or answer.dim() != 2 or samples.y.ndim != 1:
        return ""
    low, high, width = int(samples.y.min()), int(samples.y.max()), answer.shape[1]
    if low == 1 and high == width:
        zero = f"if {high} is the class 0, give y % {high}"
        return f"; the labels are from 1 to {high}: if they count from 1, say so, as :first=1 behind the data; {zero}"
    if width > high:
        return f"; if the data have {width} classes, say so, as :classes={width} behind the data"
    return f"; the labels go up to {high}"


def _explain_maps(answer: object, samples: Samples) -> str:
    """Return advice on an answer that is no map of logits of the size of the labels, or has too few classes."""
    if not isinstance(answer, Tensor) or answer.dim() != 4:
        return "; return logits of every pixel, (n, classes, height, width)"
    if tuple(answer.shape[2:]) != samples.map_size:
        size = f"size=({', '.join(map(str, samples.map_size))})"
        return (
            f"; the labels are maps of {'x'.join(map(str, samples.map_size))}: enlarge the answer in a model of three "
            f"lines, by torch.nn.functional.interpolate(logits, {size}, mode='bilinear'), or give labels of its size"
        )
    criterion = read_criterion(samples.criterion)
    known = samples.y[criterion.mark_counted(samples.y)]  # type: ignore[attr-defined]
    low, high = int(known.min(initial=0)), int(known.max(initial=0))
    if high >= answer.shape[1]:
        return advise_ignored(low, high, answer.shape[1])
    return f"; if the data have {answer.shape[1]} classes, say so, as :classes={answer.shape[1]} behind the data"


def _explain_refusal(module: nn.Module, shape: tuple[int, ...]) -> str:
    """Return a likely reason why a model does not take inputs of this shape on one device."""
    tensors = [*module.parameters(), *module.buffers()]
    devices = {str(tensor.device) for tensor in tensors}
    if len(devices) > 1:
        return f"parts of it are on {' and '.join(sorted(devices))}: register what it needs as buffers"
    if len(shape) == 3 and shape[0] == 1 and _takes_planes(module, shape):
        return (
            "it takes images without a channel axis; give it a model of three lines: "
            "class Wrapped(Net): def forward(self, x): return super().forward(x[:, 0])"
        )
    channel = f" An image has a channel axis, as {[1, *shape]}" if len(shape) == 2 else ""
    return f"is this the data that it was made for (--robust-data)?{channel}"


def _takes_planes(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether the module takes images of one channel, of this shape, without the axis of the channel."""
    try:
        with eval_mode(module), torch.no_grad():
            return isinstance(module(torch.zeros(2, *shape[1:], device=device_of(module))), Tensor)
    except Exception:  # a user's code may raise anything
        return False
