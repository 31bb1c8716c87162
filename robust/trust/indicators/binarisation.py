"""binarisation: with a new last layer, of which an input nearby is known to be told apart, the attacks do not find one.

Zimmermann et al. 2022 (2206.13991). Of every sample the features of random inputs nearby are labelled 0 and those of
one at the ball's edge 1, and a linear layer is fitted that tells them apart.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from robust.attacks.engine import judge, rounds_of, run_steps
from robust.attacks.factory import make
from robust.attacks.spec import Spec
from robust.attacks.task import Task
from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import MAX_SPECS, AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import ORDINARY, significant

SAMPLES, INNER = 48, 100
ROUNDS = 5  # of an attack: one alone misses up to a fifth on honest networks that were adversarially trained
FEWEST = 16  # samples for which a layer could be fitted
REACH = 0.95  # of the ball, from which the random inputs are drawn
RIDGE = 1e-3  # of the features' variance
MOST = 0.05  # of the samples: the paper asks for 95 % success


@INDICATORS.register("binarisation")
def binarisation(trial: AttackProbe) -> Finding | None:
    """An attack that misses what is there by construction says little about what is not."""
    if trial.ball.norm == "l1":
        raise NotApplicableError("a random input of an l1 ball's edge differs in one feature")
    words, layer = _words(trial), _last_layer(trial)
    few = trial.first_standing(SAMPLES)

    def attacked(words: list[str]) -> tuple[int, int]:
        found = trial.tasks(lambda task: _attacked(task, Features(task.model, layer), words), few)
        n, missed = (sum(counts) for counts in zip(*found, strict=True)) if found else (0, 0)
        return n, missed

    n, missed = attacked(words)
    if n < FEWEST:
        raise NotApplicableError(f"a layer could be fitted for {n} samples only")
    if not significant(missed, n, MOST):
        return None
    told = f"{' and '.join(words)} missed {missed} of {n} inputs that are there by construction; expected none"
    ordinary = attacked([ORDINARY])[1]
    weak = "the row's attacks are weak for this model; use --robust-suite=quick-1 or standard-1"
    masked = "the gradient does not lead where the features change; use an attack that suits the model, as BPDA or eot"
    if not significant(ordinary, n, MOST):
        return Finding("binarisation", "suspect", missed / n, told, weak, weak=True)
    return Finding("binarisation", "broken" if 2 * ordinary > n else "suspect", missed / n, told, masked)


class Features:
    """What the linear layer `layer` of a model is given, (n, features).

    A model for one size of batch asks it part by part, and fills up the last.
    """

    def __init__(self, model: Callable[[Tensor], Tensor], layer: nn.Module) -> None:
        self.model, self.layer = model, layer

    def __call__(self, x: Tensor) -> Tensor:
        given: list[Tensor] = []
        with self.layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0])):
            self.model(x)
        if len(given[-1]) == len(x):
            return given[-1]
        parts = torch.cat(given)
        if not 0 <= len(parts) - len(x) < len(given[0]):
            raise NotApplicableError("its last layer is asked several times about an input")
        return parts[: len(x)]


class Readout(NamedTuple):
    """A linear layer of each of n samples."""

    weights: Tensor  # (n, features)
    bias: Tensor  # (n,): below 0 is label 0
    valid: Tensor  # (n,) bool: it tells the input at the edge from all others


def _words(trial: AttackProbe) -> list[str]:
    """Those of the row's attacks that can be run with two classes, as they are but for restarts and targets."""
    specs = [Spec.parse(word) for word in trial.white]
    ours = [spec for spec in specs if spec.name != "torchattacks" and dict(spec.options).get("loss") != "dlr"]
    words = [str(spec) for spec in ours if "targets" not in dict(spec.options)]
    if not words:
        raise NotApplicableError("no attack of the row can be run with two classes")
    return words[:MAX_SPECS]


def _last_layer(trial: AttackProbe) -> nn.Module:
    """The last linear layer that answers with a number a class; NotApplicableError where there is none."""
    found: list[nn.Module] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if inputs[0].dim() == 2 and output.shape[1] == trial.classes:
            found.append(layer)

    layers = [module for module in trial.module.modules() if isinstance(module, nn.Linear)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        trial.first(1).answers()
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise NotApplicableError("the model has no linear layer that answers with a number a class")
    return found[-1]


def _attacked(task: Task, features: Features, words: list[str]) -> tuple[int, int]:
    """(samples that have a layer, those of them that no attack found an input of label 1 for)."""
    layer = _fitted(task, features)

    def binary(x: Tensor) -> Tensor:
        score = (features(x) * layer.weights).sum(1) + layer.bias + 0 * x.flatten(1).sum(1)  # a gradient, if it is 0
        return torch.stack((torch.zeros_like(score), score), 1)

    task = replace(task, model=binary, y=torch.zeros_like(task.y))
    adversarial = torch.zeros_like(layer.valid)
    for word in words:
        spec = Spec.parse(word).without("restarts")
        for attack, enter_round in rounds_of(make(Spec(spec.name, spec.args, (*spec.options, ("restarts", ROUNDS))))):
            adversarial |= judge(task, run_steps(attack, enter_round(task)), None).adversarial
    return int(layer.valid.sum()), int((layer.valid & ~adversarial).sum())


def _fitted(task: Task, features: Features) -> Readout:
    """Ridge regression in closed form, whose threshold lies half way between the edge and the nearest inner input."""
    inner = torch.stack([features(task.fold(k).start(REACH)) for k in range(INNER)], 1)  # (n, INNER, features)
    ball, noise = task.threat, task.rng.fold(INNER).normal(task.x)
    edge = features(ball.project(ball.step(task.x, noise, float(ball.eps)), task.x))
    middle = inner.mean(1)
    z, v = inner - middle[:, None], edge - middle
    ridge = (RIDGE * z.square().mean((1, 2)) + 1e-12) * INNER
    kernel = z @ z.transpose(1, 2) + ridge[:, None, None] * torch.eye(INNER).to(z)
    weights = v - (z.transpose(1, 2) @ torch.linalg.solve(kernel, (z @ v[:, :, None])))[:, :, 0]
    far, near = (v * weights).sum(1), (z @ weights[:, :, None]).amax((1, 2))
    half = ((far - near) / 2).clamp_min(1e-12)
    weights = weights / half[:, None]
    return Readout(weights, -(middle * weights).sum(1) - (far + near) / 2 / half, far > near)
