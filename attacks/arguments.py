"""Checks of the arguments that users give to the drivers, once before an attack begins: each mistake is one line."""

from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor

from robust.attacks.criteria.criterion import Criterion
from robust.attacks.grammar.corruption import CORRUPTION
from robust.attacks.grammar.features import FEATURES
from robust.attacks.grammar.norms import NORMS
from robust.attacks.grammar.patch import PATCH
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.grammar.universal import UNIVERSAL
from robust.attacks.registry import suggest
from robust.attacks.words import family_of


def check_arguments(model: object, attack: object, x: object, y: object, criterion: Criterion) -> None:
    """Raise a TypeError or a ValueError, which says what to give, unless a driver can begin with these arguments."""
    if not callable(model):
        _refuse("the model", model, "a torch.nn.Module, or a function from inputs to logits")
    _check_attack(attack)
    check_samples(x, y, criterion)


def check_samples(x: object, y: object, criterion: Criterion) -> None:
    """Raise a TypeError or a ValueError, which says what to give, unless these are inputs and their labels."""
    if isinstance(x, Mapping | tuple):
        several = "several inputs have no one norm; attack them with assail, under Product.parse(TEXT, x)"
        raise TypeError(f"the inputs are a {_name(type(x))}, and this is for one input: {several}")
    _check_tensor("x, the inputs,", x)
    assert isinstance(x, Tensor)
    if not x.is_floating_point():
        scale = "x.float() / 255 for bytes as numbers from 0 to 1" if x.dtype == torch.uint8 else "x.float()"
        raise TypeError(f"the inputs are {_name(x.dtype)}, expected floats within the threat's bounds; give {scale}")
    _check_tensor("y, the labels,", y)
    assert isinstance(y, Tensor)
    if _has_classes(criterion):
        _check_labels(y, x)
    elif is_map(criterion):
        _check_maps(y, x)
    elif len(x) != len(y):
        raise ValueError(f"there are inputs of shape {[*x.shape]} and labels of shape {[*y.shape]}, one row a sample")


def check_threat(threat: object) -> None:
    """Raise a TypeError, which says what to give, unless this is a threat model."""
    if isinstance(threat, str):
        parts = [_write_threat(part) for part in threat.split("+")]
        proper = parts[0] if len(parts) == 1 else f"Union(({', '.join(parts)}))"
        raise TypeError(f"the threat is text, which says no bounds; give {proper}, with the bounds of the data")
    if isinstance(threat, type) or not hasattr(threat, "parts"):
        _refuse("the threat", threat, "a threat model, as LpThreat.parse('linf:8/255', lo=0, hi=1)")


def _write_threat(text: str) -> str:
    if family_of(text) == PRODUCT:
        return f"Product.parse({text!r}, x)"
    if family_of(text) == FEATURES:
        return f"FeaturesThreat.parse({text!r})"
    names = {PATCH: "PatchThreat", UNIVERSAL: "PatchThreat", PIXELS: "PixelThreat", CORRUPTION: "CorruptionThreat"}
    return f"{names.get(family_of(text), 'LpThreat')}.parse({text!r}, lo=0, hi=1)"


def check_norm(norm: object) -> None:
    """Raise a ValueError, with the nearest name, unless this is the name of a norm."""
    if norm not in NORMS:
        raise ValueError(f"unknown norm {suggest(str(norm), NORMS)}; the bounds of the data are given as bounds=(0, 1)")


def check_answer(answer: object, y: Tensor, criterion: Criterion) -> None:
    """Raise a TypeError or a ValueError, in one line, unless the criterion can read the model's answer."""
    if not isinstance(answer, Tensor):
        part = _find_logits(answer)
        hint = f"wrap the model in a module whose forward returns self.model(x){part}" if part else "return the logits"
        raise TypeError(f"the model returned a {_name(type(answer))}, expected a tensor of logits; {hint}")
    if _has_classes(criterion):
        _check_logits(answer, y)
    elif is_map(criterion):
        _check_map_logits(answer, y, criterion)
    elif answer.dim() != 2 or answer.shape[0] != len(y) or answer.numel() != y.numel():
        of = f"labels of shape {[*y.shape]}, judged by {criterion}"
        raise ValueError(f"the model answered with shape {[*answer.shape]}, and there are {of}; expected (N, values)")
    elif not answer.is_floating_point():
        raise TypeError(f"the model answered with {_name(answer.dtype)}, expected floats")


def _has_classes(criterion: Criterion) -> bool:
    """Whether labels are classes; a criterion of a user's may leave out what the engine itself does not ask for."""
    return getattr(criterion, "labels", "values") == "class"


def is_map(criterion: Criterion) -> bool:
    """Whether labels are maps of classes, (N, h, w)."""
    return getattr(criterion, "labels", "values") == "map"


def _check_attack(attack: object) -> None:
    if isinstance(attack, str):
        raise TypeError(f"the attack is text; give make({attack!r})")
    if isinstance(attack, type):
        raise TypeError(f"the attack is a class; give an object, as {attack.__name__}()")
    if not (hasattr(attack, "rounds") or all(hasattr(attack, name) for name in ("steps", "init", "step"))):
        _refuse("the attack", attack, "an attack, as PGD(steps=40) or make('pgd:steps=40')")


def _check_tensor(what: str, value: object) -> None:
    if isinstance(value, Tensor):
        return
    give = "torch.from_numpy of it" if type(value).__module__ == "numpy" else "torch.as_tensor of it"
    raise TypeError(f"{what} must be a torch.Tensor, got {_name(type(value))}; give {give}")


def _check_labels(y: Tensor, x: Tensor) -> None:
    """Check the type, the shape and the number of labels, (N,) int64."""
    if len(y.shape) != 1:
        hint = {2: "; give y.argmax(1) of one-hot rows, or y.flatten() of one column"}.get(len(y.shape), "")
        raise ValueError(f"the labels have shape {[*y.shape]}, expected (N,), one whole number per sample{hint}")
    if y.dtype != torch.int64:
        raise TypeError(f"the labels are {_name(y.dtype)}, expected int64; give y.long() if they are whole numbers")
    if x.dim() < 1 or len(x) != len(y):
        hint = "x is (N, *features) and y (N,), also for one sample: x[None]"
        raise ValueError(f"there are inputs of shape {[*x.shape]} and {len(y)} labels; {hint}")


def _check_maps(y: Tensor, x: Tensor) -> None:
    """Check the type, the shape and the number of maps, (N, h, w) int64."""
    if y.dim() != 3 or len(x) != len(y):
        seen = f"there are inputs of shape {[*x.shape]} and labels of shape {[*y.shape]}"
        raise ValueError(f"{seen}; expected maps of classes, (N, h, w), one for each input")
    if y.dtype != torch.int64:
        raise TypeError(f"the labels are {_name(y.dtype)}, expected int64; give y.long() if they are whole numbers")


def _check_map_logits(logits: Tensor, y: Tensor, criterion: Criterion) -> None:
    """Check logits, (N, classes, h, w), against maps, (N, h, w)."""
    n, *size = y.shape
    if logits.dim() != 4 or [len(logits), *logits.shape[2:]] != [n, *size] or logits.shape[1] < 2:
        seen = f"the model answered with shape {[*logits.shape]}, and there are maps of shape {[*y.shape]}"
        raise ValueError(f"{seen}; expected logits (N, classes, h, w)")
    if not logits.is_floating_point():
        raise TypeError(f"the model answered with {_name(logits.dtype)}, expected logits, which are floats")
    counted = y[criterion.mark_counted(y)] if hasattr(criterion, "mark_counted") else y
    if len(counted) and int(counted.max()) >= logits.shape[1]:
        raise ValueError(
            f"pixels have labels up to {counted.max()}, and the model has the classes 0 to {logits.shape[1] - 1}; name "
            f"a label that does not count, as pixels:0.9:ignore={counted.max()}"
        )


def _check_logits(logits: Tensor, y: Tensor) -> None:
    """Check logits, (N, classes), against the labels, (N,)."""
    if logits.dim() != 2 or len(logits) != len(y) or logits.shape[1] < 2:
        seen = f"the model answered {len(y)} samples with shape {[*logits.shape]}, expected logits (N, classes)"
        raise ValueError(f"{seen}; of one logit z of two classes make torch.cat([torch.zeros_like(z), z], 1)")
    if not logits.is_floating_point():
        raise TypeError(f"the model answered with {_name(logits.dtype)}, expected logits, which are floats")
    classes = logits.shape[1]
    if bool(((y < 0) | (y >= classes)).any()):
        seen = f"the labels go from {y.min()} to {y.max()}, and the model has {classes} classes"
        raise ValueError(f"{seen}; expected 0 to {classes - 1}")


def _find_logits(answer: Any) -> str:
    """Return how to take the logits from an answer that is no tensor; "" if nothing there is a tensor."""
    if isinstance(getattr(answer, "logits", None), Tensor):
        return ".logits"
    keyed = isinstance(answer, Mapping)
    if not keyed and not isinstance(answer, tuple | list):
        return ""
    parts = answer if keyed else dict(enumerate(answer))
    tensors = [key for key in parts if isinstance(parts[key], Tensor)]
    return f"[{'logits' if 'logits' in tensors else tensors[0]!r}]" if tensors else ""


def _refuse(what: str, value: object, expected: str) -> NoReturn:
    raise TypeError(f"{what} is of type {_name(type(value))}, expected {expected}")


def _name(of: object) -> str:
    """Return the name of a type, as "numpy.ndarray", or of a torch.dtype."""
    if not isinstance(of, type):
        return str(of).removeprefix("torch.")
    return of.__name__ if of.__module__ == "builtins" else f"{of.__module__}.{of.__name__}"
