"""From a model's word to a module: run the user's factory, or fill an architecture with weights from a file."""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from robust.attacks.registry import suggest
from robust.attacks.spec import printable
from robust.attacks.vision import torchvision, with_torchvision
from robust.code import blamed, import_file, import_module, named
from robust.models.checkpoint import fit_weights, read_weights
from robust.models.spec import ModelSpec

Build = Callable[[], nn.Module]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under test: the module takes inputs within the data's bounds and returns logits."""

    name: str
    training: str  # the recipe that trained it here, or "as-is"
    module: nn.Module

    @property
    def weights(self) -> str:
        """SHA-256 of all parameters and buffers, with their names."""
        return weights_hash(self.module)

    @property
    def params(self) -> int:
        return sum(p.numel() for p in self.module.parameters())


def load(spec: ModelSpec, arch: str | None, classes: int, folder: Path) -> Subject:
    """The user's model as it is. ValueError or LookupError, in one line, where it cannot be had."""
    if spec.factory is not None:
        return Subject(spec.name, "as-is", architecture(spec, arch, classes, folder)())
    weights = read_weights(spec.path)
    if arch is None:
        first = next(iter(weights), None)
        example = f", first {printable(first)} {list(weights[first].shape)}" if first else ""
        raise ValueError(
            f"holds weights only ({len(weights)} tensors{example}). Say what they belong to: "
            "--robust-arch=net.py:make or --robust-arch=torchvision:resnet18"
        )
    module = architecture(spec, arch, classes, folder)()
    try:
        fit_weights(module, weights)
    except ValueError as error:
        raise ValueError(f"{error}; the architecture is --robust-arch={arch}") from None
    return Subject(spec.name, "as-is", module)


def architecture(spec: ModelSpec, arch: str | None, classes: int, folder: Path) -> Build:
    """What makes a fresh, untrained module of the user's model: its factory, or that of --robust-arch."""
    if spec.factory is not None:
        return _factory(spec)
    if arch is None:
        raise ValueError(f"{spec.text} holds weights only; name the architecture with --robust-arch")
    source, _, name = arch.partition(":")
    try:
        if source == "torchvision":
            return _torchvision(name, classes)
        return _factory(ModelSpec.parse(arch, folder))
    except (ValueError, LookupError) as error:
        raise ValueError(f"--robust-arch={arch}: {error.args[0]}") from error


def _torchvision(name: str, classes: int) -> Build:
    models = torchvision("torchvision.models")
    if name not in (known := models.list_models(module=models)):
        raise LookupError(f"torchvision has no classifier {suggest(name, known)}")
    return lambda: _made(f"torchvision:{name}", lambda: models.get_model(name, weights=None, num_classes=classes))


def _factory(spec: ModelSpec) -> Build:
    if spec.factory is None:
        raise ValueError(f"{spec.path.name} is no Python file; write FILE.py:FACTORY, or torchvision:NAME")
    module = import_module(spec.module, spec.path) if spec.module else import_file(spec.path)
    make = named(module, spec.factory, spec.path.name)
    if isinstance(make, nn.Module):
        raise ValueError(f"{spec.text} is a module; name a function that returns it")
    if not callable(make):
        raise ValueError(f"{spec.text} is a {type(make).__name__}, expected a function or class that makes the model")
    return lambda: _made(spec.text, make, *spec.args, **dict(spec.options))


def _made(what: str, make: Callable[..., object], *args: object, **options: object) -> nn.Module:
    try:
        inspect.signature(make).bind(*args, **options)
    except TypeError as error:
        example = f"{what.partition('(')[0]}(width=2)"
        raise ValueError(f"{what} cannot be called so: {error}; arguments are written as {example}") from None
    except ValueError:
        pass  # a callable that does not tell its signature
    try:
        made = with_torchvision(lambda: make(*args, **options))
    except Exception as error:
        raise ValueError(f"{what} failed: {blamed(error)}") from error
    if not isinstance(made, nn.Module):
        raise ValueError(f"{what} returned {type(made).__name__}, expected torch.nn.Module")
    return made


def weights_hash(module: nn.Module) -> str:
    """SHA-256 of all parameters and buffers with their names, the buffers that a state dict leaves out included."""
    sha = hashlib.sha256()
    for name, tensor in sorted({**dict(module.named_buffers()), **module.state_dict()}.items()):
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        sha.update(f"{name} {flat.dtype} {list(tensor.shape)}".encode())
        sha.update(flat.view(torch.uint8).numpy())
    return sha.hexdigest()
