"""Untrained networks of torchvision, also for maps, and of timm, made for the data: nothing is downloaded."""

import importlib
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from robust.attacks.registry import suggest
from robust.torchvision_compat import import_torchvision, with_torchvision

Shape = tuple[int, ...]  # of one input
COLOURS = 3


def find_library_factory(library: str, name: str, shape: Shape, classes: int) -> Callable[..., nn.Module]:
    """Return a function that makes the classifier; it takes the library's options.

    LookupError if the library is not installed or has no classifier of that name.
    """
    names, make = (_torchvision if library == "torchvision" else _timm)(name, classes)
    if name not in names:
        raise LookupError(f"{library} has no classifier {suggest(name, names)}")

    def build(**options: object) -> nn.Module:
        module: nn.Module = make(options)
        grey = len(shape) == 2 or shape[:-2] == (1,)
        if grey and options.get("in_chans", COLOURS) == COLOURS:  # timm's option for fewer channels
            module.register_forward_pre_hook(_to_colour)
        return module

    return build


def _torchvision(name: str, classes: int) -> tuple[list[str], Callable[[dict[str, Any]], Any]]:
    models, maps = (import_torchvision(f"torchvision.models{part}") for part in ("", ".segmentation"))
    defaults = {"weights": None, "num_classes": classes}
    of_maps = models.list_models(module=maps)
    if name in of_maps:
        defaults["weights_backbone"] = None
    return [*models.list_models(module=models), *of_maps], lambda options: models.get_model(
        name, **{**defaults, **options}
    )


def _timm(name: str, classes: int) -> tuple[list[str], Callable[[dict[str, Any]], Any]]:
    try:
        timm = with_torchvision(lambda: importlib.import_module("timm"))
    except ModuleNotFoundError:
        raise LookupError("timm is not installed; pip install 'pytest-robust[timm]'") from None
    defaults = {"pretrained": False, "num_classes": classes}
    return timm.list_models(), lambda options: timm.create_model(name, **{**defaults, **options})


def _to_colour(module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """Return grey images, (n, height, width) or (n, 1, height, width), as (n, 3, height, width)."""
    del module
    return inputs[0].reshape(len(inputs[0]), 1, *inputs[0].shape[-2:]).expand(-1, COLOURS, -1, -1)
