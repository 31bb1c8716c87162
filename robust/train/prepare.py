"""Preparing a module for its training."""

from pathlib import Path
from typing import cast

import torch
from torch import nn

from robust.attacks.criteria.registry import label_kind
from robust.attacks.grammar.norms import NORMS
from robust.attacks.registry import suggest
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import Part
from robust.data.dataset import Samples
from robust.models.checkpoint import fit_weights, read_weights
from robust.models.traits import is_queried
from robust.train.batches import build_transform
from robust.train.factory import Method
from robust.train.optim import build_optimiser
from robust.train.plan import Plan
from robust.train.recipe import RECIPES, Demanding, start_recipe

WITH_WEIGHTS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


def rehearse(module: nn.Module, method: Method, samples: Samples, threat: Part) -> None:
    """Run everything before the first step, on a module that is discarded; ValueError if anything would fail there."""
    if is_queried(module):
        raise ValueError(
            "the model is quantised, and cannot be trained; train the network, and quantise what comes of it"
        )
    _check_family(method, threat)
    refuse_labels(method, samples.criterion)
    prepare(module, method.plan)
    build_optimiser(module, method.plan)
    build_transform(method.plan, samples)
    start_recipe(method.recipe, module)
    if isinstance(method.recipe, Demanding):
        x = torch.from_numpy(samples.x[:1]).to(next(module.parameters()).device)
        method.recipe.check(module, x, cast(LpThreat, threat))


def _check_family(method: Method, threat: Part) -> None:
    """Raise ValueError if a recipe's inputs are not for the threat model; one that says nothing is for the norms."""
    if threat.norm in getattr(method.recipe, "families", NORMS):
        return
    fitting = [name for name in RECIPES.names() if threat.norm in getattr(RECIPES.get(name), "families", NORMS)]
    raise ValueError(f"it is not for the threat model {threat}; take {', '.join(fitting)}")


def refuse_labels(method: Method, criterion: str) -> None:
    """Raise ValueError for a recipe, or an option, that is for classes, if the labels are others."""
    kind = label_kind(criterion)
    kinds = getattr(method.recipe, "labels", ("class",))
    if kind not in kinds:
        others = ", ".join(name for name in RECIPES.names() if kind in getattr(RECIPES.get(name), "labels", ()))
        raise ValueError(f"is for classes, and the criterion is {criterion}; take one of {others}")
    given = {"class_weights": "none", "smoothing": 0.0, "sampling": "shuffled"}
    for name, default in given.items() if kind != "class" else ():
        if getattr(method.plan, name) != default:
            raise ValueError(f"{name} is for classes, and the criterion is {criterion}; leave it out")


def prepare(module: nn.Module, plan: Plan) -> None:
    """Set weights, frozen layers, dropout and memory format as the plan says; ValueError if the module does not fit."""
    if plan.pretrained:
        try:
            fit_weights(module, read_weights(Path(plan.pretrained)))
        except ValueError as error:
            raise ValueError(f"pretrained={plan.pretrained}: {error}") from error
    if plan.init != "own":
        _initialise(module, plan.init)
    if plan.freeze:
        _freeze(module, plan.freeze.split("+"))
    if plan.dropout is not None:
        _drop(module, plan.dropout)
    if plan.channels_last:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    on_cuda = any(parameter.is_cuda for parameter in module.parameters())
    if plan.precision == "bfloat16" and on_cuda and not torch.cuda.is_bf16_supported():
        raise ValueError("precision=bfloat16: this GPU has none; leave it at float32")


def _initialise(module: nn.Module, init: str) -> None:
    for layer in module.modules():
        if isinstance(layer, WITH_WEIGHTS):
            if init == "xavier":  # Glorot and Bengio 2010
                nn.init.xavier_uniform_(layer.weight)
            else:  # He et al. 2015 (1502.01852)
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _freeze(module: nn.Module, starts: list[str]) -> None:
    names = [name for name, _ in module.named_parameters()]
    for start in starts:
        if not any(name.startswith(start) for name in names):
            raise ValueError(f"freeze: no parameter begins with {suggest(start, names)}")
    for name, parameter in module.named_parameters():
        if name.startswith(tuple(starts)):
            parameter.requires_grad_(False)


def _drop(module: nn.Module, share: float) -> None:
    layers = [layer for layer in module.modules() if isinstance(layer, DROPOUTS)]
    if not layers:
        raise ValueError("dropout: the module has no dropout layer; add one, or leave the option out")
    for layer in layers:
        layer.p = share
