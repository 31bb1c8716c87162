"""Reading weights from a file, and loading them into a module."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from robust.attacks.text import printable
from robust.models.format import Loaded, Terms, read_model

Weights = dict[str, Tensor]
# The keys under which trainings keep weights, in order of preference; then those of running means of the weights.
WRAPPERS = (
    "state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "params", "weights",
    "ema", "ema_state_dict", "state_dict_ema", "model_ema", "params_ema",
)  # fmt: skip
PREFIXES = ("module.", "model.", "net.")  # of nn.DataParallel and the like, and of Lightning modules
COMPILED = "_orig_mod."  # of torch.compile, at any depth
MAX_DEPTH = 4  # of nested wrappers or prefixes
BY_FUNCTION = "test it by a function of yours that quantises the network and loads them: --robust-model=FILE.py:FACTORY"


def read_weights(path: Path) -> Weights:
    """Return the state dict in the file without running any code in it; ValueError if the file holds something else."""
    content = read_model(path, Terms()).content
    if isinstance(content, nn.Module):
        raise ValueError("is a whole model, expected a state dict; save only model.state_dict()")
    return content


def refuse_bare_weights(weights: Weights) -> NoReturn:
    """Raise the ValueError for weights without an architecture."""
    first = next(iter(weights), None)
    example = f", first {printable(first)} {list(weights[first].shape)}" if first else ""
    raise ValueError(
        f"holds weights only ({len(weights)} tensors{example}). Say what they belong to: "
        "--robust-arch=net.py:make, --robust-arch=zoo:cnn or --robust-arch=torchvision:resnet18"
    )


def fit_weights(module: nn.Module, weights: Weights) -> tuple[str, ...]:
    """Load `weights` into `module`, by its names or behind a prefix; return notes on what was done to the names.

    Lazy layers take the shapes of the file. ValueError lists the tensors that are missing, unexpected, of another shape
    or of complex numbers.
    """
    state = module.state_dict()
    if compiled := any(COMPILED in name for name in state):  # in whole or in part: names are compared without that
        state, weights = _take_off_compiled(state), _take_off_compiled(weights)
    stripped, notes = strip_prefixes(weights, state)
    both = sorted(state.keys() & stripped.keys())
    faults = {
        "missing": sorted(state.keys() - stripped.keys()),
        "unexpected": sorted(stripped.keys() - state.keys()),
        "of another shape": [
            f"{name} {list(stripped[name].shape)} in the file, {list(state[name].shape)} in the model"
            for name in both
            if not is_lazy(state[name]) and stripped[name].shape != state[name].shape
        ],
        "of complex numbers": [name for name in both if stripped[name].is_complex() > state[name].is_complex()],
    }
    if any(faults.values()):
        messages = (f"{len(names)} {kind} ({join_names(names, 2)})" for kind, names in faults.items() if names)
        raise ValueError(f"weights do not fit: {'; '.join((*messages, *notes))}")
    names = module.state_dict() if compiled else {}
    module.load_state_dict({name: stripped[name.replace(COMPILED, "")] for name in names} or stripped)
    return notes


def _take_off_compiled(weights: Weights) -> Weights:
    return {name.replace(COMPILED, ""): tensor for name, tensor in weights.items()}


def unwrap(content: object) -> Loaded:
    """Return the state dict or the module in the content of a file; ValueError if there is none."""
    notes = []
    for _ in range(MAX_DEPTH):
        if not isinstance(content, dict) or _is_state_dict(content):
            break
        keys = [key for key in WRAPPERS if isinstance(content.get(key), dict | nn.Module)] or _only_state_dict(content)
        if not keys:
            break
        also = f"; also there: {', '.join(keys[1:])}" if keys[1:] else ""
        notes.append(f"taken from {keys[0]!r}{also}")
        content = content[keys[0]]
    if isinstance(content, nn.Module):
        return Loaded(content, tuple(notes))
    if not isinstance(content, dict):
        kind = printable(type(content).__name__)
        raise ValueError(f"holds a {kind}, not a state dict; save only model.state_dict()")
    if is_quantised(content):
        raise ValueError(f"holds the weights of a quantised model; {BY_FUNCTION}")
    if not _is_state_dict(content):
        listed = join_names(map(str, content), 4)
        hint = "save only model.state_dict(), alone or under 'state_dict'"
        raise ValueError(f"holds a dict of {listed}, not a plain state dict; {hint}")
    odd = [name for name, tensor in content.items() if tensor.layout is not torch.strided or tensor.is_meta]
    if odd:
        raise ValueError(f"holds tensors that are no plain arrays of numbers: {join_names(odd, 4)}")
    return Loaded(dict(content), tuple(notes))


def is_quantised(content: Mapping[Any, Any]) -> bool:
    """Whether a state dict, or one of those in it, is of a quantised model."""
    return any(
        "_packed_params" in str(key)
        or (isinstance(value, Tensor) and value.is_quantized)
        or (isinstance(value, Mapping) and is_quantised(value))
        for key, value in content.items()
    )


def _only_state_dict(content: dict[object, object]) -> list[str]:
    """Return [the key of the only value that is a dict of tensors by name]; [] if there is not exactly one."""
    keys = [str(key) for key, value in content.items() if isinstance(value, dict) and value and _is_state_dict(value)]
    return keys if len(keys) == 1 and keys[0] in content else []


def _is_state_dict(content: dict[object, object]) -> bool:
    return all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items())


def strip_prefixes(weights: Weights, names: Iterable[str]) -> tuple[Weights, tuple[str, ...]]:
    """Return the weights without the prefixes that the module's `names` do not have, and notes on what was done.

    Nothing is done if some name fits already. Tensors that lack the prefix of the others are left out.
    """
    names, notes = {*names}, []
    for _ in range(MAX_DEPTH):
        if names & weights.keys() or not names or (found := _find_prefix(weights)) is None:
            break
        prefix, short = found
        left = [name for name in weights if name not in short]
        notes.append(f"{prefix!r} taken off the names" + (f"; left out: {join_names(left, 4)}" if left else ""))
        weights = {short[name]: tensor for name, tensor in weights.items() if name in short}
    return weights, tuple(notes)


def _find_prefix(weights: Weights) -> tuple[str, dict[str, str]] | None:
    """Return (a prefix of the names, {name with it: name without it}); None if there is none."""
    plain = {name: name.replace(COMPILED, "") for name in weights}
    if any(COMPILED in name for name in plain) and len({*plain.values()}) == len(plain):
        return COMPILED, plain
    for prefix in PREFIXES:
        if short := {name: name.removeprefix(prefix) for name in weights if name.startswith(prefix)}:
            return prefix, short
    return None


def join_names(names: Iterable[str], max_names: int) -> str:
    """Return the first of the names, printable, in one line."""
    names = [*names]
    return ", ".join(map(printable, names[:max_names])) + (", ..." if len(names) > max_names else "")
