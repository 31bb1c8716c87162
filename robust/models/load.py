"""From a model's word to a module: run a factory, the user's or the zoo's, or fill it with weights from a file."""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from robust.attacks.registry import suggest
from robust.attacks.spec import printable
from robust.attacks.vision import torchvision, with_torchvision
from robust.code import blamed, import_file, import_module, named
from robust.models.allowed import NOTHING, Allowed
from robust.models.catalogue import ARCHITECTURES, UnfitError
from robust.models.checkpoint import fit_weights
from robust.models.format import Terms, read_model
from robust.models.spec import ModelSpec

Build = Callable[[], nn.Module]
Shape = tuple[int, ...]  # of one input


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under test: the module takes inputs within the data's bounds and returns logits."""

    name: str
    training: str  # the recipe that trained it here, or "as-is"
    module: nn.Module
    notes: tuple[str, ...] = ()  # what was done to it as it was loaded, for the user to read

    @property
    def weights(self) -> str:
        """SHA-256 of all parameters and buffers, with their names."""
        return weights_hash(self.module)

    @property
    def params(self) -> int:
        return sum(p.numel() for p in self.module.parameters())


def load(
    spec: ModelSpec, arch: str | None, shape: Shape, classes: int, folder: Path, allowed: Allowed = NOTHING
) -> Subject:
    """The user's model as it is. ValueError or LookupError, in one line, where it cannot be had."""
    if spec.factory is not None:
        return Subject(spec.name, "as-is", architecture(spec, arch, shape, classes, folder)())
    loaded = read_model(spec.path, Terms(shape, classes, allowed))
    if isinstance(loaded.content, nn.Module):
        return Subject(spec.name, "as-is", loaded.content, loaded.notes)
    weights = loaded.content
    if arch is None:
        first = next(iter(weights), None)
        example = f", first {printable(first)} {list(weights[first].shape)}" if first else ""
        raise ValueError(
            f"holds weights only ({len(weights)} tensors{example}). Say what they belong to: "
            "--robust-arch=net.py:make, --robust-arch=zoo:cnn or --robust-arch=torchvision:resnet18"
        )
    module = architecture(spec, arch, shape, classes, folder)()
    try:
        notes = loaded.notes + fit_weights(module, weights)
    except ValueError as error:
        told = "; ".join((str(error), *loaded.notes))
        raise ValueError(f"{told}; the architecture is --robust-arch={arch}") from None
    return Subject(spec.name, "as-is", module, notes)


def architecture(spec: ModelSpec, arch: str | None, shape: Shape, classes: int, folder: Path) -> Build:
    """What makes a fresh, untrained module of the user's model: its factory, or that of --robust-arch.

    `shape` and `classes` are the data's; the architectures of libraries are made for them.
    """
    if spec.factory is not None:
        return _factory(spec, shape, classes)
    if arch is None:
        raise ValueError(f"{spec.text} holds weights only; name the architecture with --robust-arch")
    try:
        return _factory(ModelSpec.parse(arch, folder), shape, classes)
    except (ValueError, LookupError) as error:
        raise ValueError(f"--robust-arch={arch}: {error.args[0]}") from error


def _factory(spec: ModelSpec, shape: Shape, classes: int) -> Build:
    if spec.factory is None:
        raise ValueError(f"{spec.path.name} is no Python file; write FILE.py:FACTORY, zoo:NAME or torchvision:NAME")
    options = dict(spec.options)
    if spec.library == "zoo":
        make = ARCHITECTURES.get(spec.factory)
        return lambda: _made(spec.text, make, shape, classes, *spec.args, **options)
    if spec.library == "torchvision":
        made = _torchvision(spec.factory, shape, classes)
        return lambda: _made(spec.text, made, *spec.args, **options)
    return _own_factory(spec)


def _torchvision(name: str, shape: Shape, classes: int) -> Callable[..., nn.Module]:
    models = torchvision("torchvision.models")
    if name not in (known := models.list_models(module=models)):
        raise LookupError(f"torchvision has no classifier {suggest(name, known)}")

    def make(**options: object) -> nn.Module:
        module: nn.Module = models.get_model(name, **{"weights": None, "num_classes": classes, **options})
        if len(shape) == 2 or shape[:-2] == (1,):
            module.register_forward_pre_hook(_as_colour)
        return module

    return make


def _as_colour(module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """Grey pictures, (n, height, width) or (n, 1, height, width), as torchvision's take them: (n, 3, height, width)."""
    del module
    return inputs[0].reshape(len(inputs[0]), 1, *inputs[0].shape[-2:]).expand(-1, 3, -1, -1)


def _own_factory(spec: ModelSpec) -> Build:
    assert spec.factory is not None
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
    except UnfitError as error:
        raise ValueError(f"{what}: {error}") from None
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
