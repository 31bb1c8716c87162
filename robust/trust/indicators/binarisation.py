"""binarisation: the attacks fail on a task that has an adversarial input by construction.

The task of Zimmermann et al. 2022 (2206.13991): for each sample a new linear layer separates the features of one input
at the edge of the ball, label 1, from those of random inputs inside, label 0.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.engine import rounds_of, run_steps
from robust.attacks.factory import make
from robust.attacks.spec import Spec
from robust.attacks.success import judge
from robust.attacks.task import Task
from robust.flags import Flags
from robust.records.trust import Finding, NotApplicableError, TimeUpError
from robust.trust.attack_probe import MAX_ATTACKS, AttackProbe
from robust.trust.checks import INDICATORS, costs
from robust.trust.indicators._shared import count_attack_passes, require_steady
from robust.trust.row_probe import ORDINARY
from robust.trust.significance import is_significant

MAX_SAMPLES, INNER_INPUTS = 20, 40
RESTARTS = 5  # of an attack: a single round misses up to a fifth on sound networks that were adversarially trained
MIN_SAMPLES = 16  # that have a layer
REACH = 0.95  # of the ball, in which the inner inputs lie
RIDGE = 1e-3  # of the features' variance
MAX_MISSED = 0.05  # of the samples: the paper asks for 95 % success


@INDICATORS.register("binarisation")
@costs(lambda probe: (INNER_INPUTS + count_attack_passes(probe)) * _choose_samples(probe).sum())
def binarisation(probe: AttackProbe) -> Finding | None:
    """Check that the row's attacks find 95 % of the inputs that are adversarial by construction (2206.13991).

    NotApplicableError for l1, for random answers, without a linear last layer, without an attack for two classes, or if
    a layer separates the inputs of too few samples.
    """
    require_steady(probe)
    if probe.ball.norm == "l1":
        raise NotApplicableError("a random input at the edge of an l1 ball differs in one feature")
    attacks, layer = _choose_attacks(probe), _find_last_layer(probe)
    mask = _choose_samples(probe)
    _require_samples(int(mask.sum()))

    def count_missed(specs: list[str]) -> tuple[int, int]:
        counts = probe.run_on_batches(lambda task: _count_missed(task, Features(task.model, layer), specs), mask)
        n, missed = (sum(parts) for parts in zip(*counts, strict=True)) if counts else (0, 0)
        return n, missed

    n, missed = count_missed(attacks)
    _require_samples(n)
    if not is_significant(missed, n, MAX_MISSED):
        return None
    seen = f"{' and '.join(attacks)} missed {missed} of {n} inputs that are adversarial by construction; expected none"
    ordinary = count_missed([ORDINARY])[1]
    weak = "the row's attacks are weak for this model; use --robust-suite=quick-1 or standard-1"
    masked = "the gradient does not lead to where the features change; use an attack that suits the model: BPDA, eot"
    if not is_significant(ordinary, n, MAX_MISSED):
        return Finding("binarisation", "suspect", missed / n, seen, weak, weak=True)
    return Finding("binarisation", "broken" if 2 * ordinary > n else "suspect", missed / n, seen, masked)


class Features:
    """The model up to its last linear layer: returns the layer's inputs, (n, features).

    A model with a fixed batch size answers in parts, and pads the last one.
    """

    def __init__(self, model: Callable[[Tensor], Tensor], layer: nn.Module) -> None:
        self.model, self.layer = model, layer

    def __call__(self, x: Tensor) -> Tensor:
        features: list[Tensor] = []
        with self.layer.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0])):
            self.model(x)
        if len(features[-1]) == len(x):
            return features[-1].float()
        parts = torch.cat(features)
        if not 0 <= len(parts) - len(x) < len(features[0]):
            raise NotApplicableError("the last layer is called several times for an input")
        return parts[: len(x)].float()


class Readout(NamedTuple):
    """A linear layer for each of n samples."""

    weights: Tensor  # (n, features)
    bias: Tensor  # (n,): a score below 0 is label 0
    valid: Tensor  # (n,) bool: the layer separates the input at the edge from all others

    def only(self, keep: Tensor) -> "Readout":
        """Return the layers of the samples in the mask, (n,) bool."""
        return Readout(*(values[keep] for values in self))


def _choose_samples(probe: AttackProbe) -> Flags:
    """Mark the first samples that are robust, (m,): as many as the budget allows, and not too few."""
    return probe.robust & (np.cumsum(probe.robust) <= max(MIN_SAMPLES, probe.budget.few(MAX_SAMPLES)))


def _choose_attacks(probe: AttackProbe) -> list[str]:
    """Return those of the row's attacks that work with two classes; NotApplicableError without any."""
    specs = [Spec.parse(text) for text in probe.require_gradient_attacks()]
    binary = [spec for spec in specs if spec.name != "torchattacks" and dict(spec.options).get("loss") != "dlr"]
    attacks = [str(spec) for spec in binary if "targets" not in dict(spec.options)]
    if not attacks:
        raise NotApplicableError("no attack of the row can be run with two classes")
    return attacks[:MAX_ATTACKS]


def _require_samples(n: int) -> None:
    """Raise NotApplicableError for too few samples."""
    if n < MIN_SAMPLES:
        raise NotApplicableError(f"a layer could be fitted for only {n} samples")


def _find_last_layer(probe: AttackProbe) -> nn.Module:
    """Find the last linear layer with an output for each class; NotApplicableError if there is none."""
    called: list[nn.Module] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if inputs[0].dim() == 2 and output.shape[1] == probe.classes:
            called.append(layer)

    layers = [module for module in probe.module.modules() if isinstance(module, nn.Linear)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        probe.take_first(1).answer()
    finally:
        for hook in hooks:
            hook.remove()
    if not called:
        raise NotApplicableError("the model has no linear layer with an output for each class")
    return called[-1]


def _count_missed(task: Task, features: Features, attacks: list[str]) -> tuple[int, int]:
    """Count (samples that have a layer, those of them for which all attacks fail)."""
    readout = _fit_readout(task, features)
    left = readout.valid.clone()
    for text in attacks:
        spec = Spec.parse(text).without("restarts")
        options = (*spec.options, ("restarts", RESTARTS))
        for k, (attack, enter_round) in enumerate(rounds_of(make(Spec(spec.name, spec.args, options)))):
            if task.stop():
                raise TimeUpError
            if k and 2 * left.sum() > readout.valid.sum():
                break  # restarts mend a fifth
            if bool(left.any()):
                binary = _make_binary(task.only(left), features, readout.only(left))
                left[left.clone()] = ~judge(binary, run_steps(attack, enter_round(binary)), None).adversarial
    return int(readout.valid.sum()), int(left.sum())


def _make_binary(task: Task, features: Features, readout: Readout) -> Task:
    """Return the task with two classes, and the readout as the last layer."""

    def answer_binary(x: Tensor) -> Tensor:
        # The last term is 0: a gradient exists even if the features have none.
        score = (features(x) * readout.weights).sum(1) + readout.bias + 0 * x.flatten(1).sum(1)
        return torch.stack((torch.zeros_like(score), score), 1)

    return replace(task, model=answer_binary, y=torch.zeros_like(task.y))


def _fit_readout(task: Task, features: Features) -> Readout:
    """Fit ridge regressions in closed form, with thresholds half way between the edge and the nearest inner input."""
    inner = torch.stack([features(task.fold(k).start(REACH)) for k in range(INNER_INPUTS)], 1)  # (n, inner, features)
    ball, noise = task.threat, task.rng.fold(INNER_INPUTS).normal(task.x)
    edge = features(ball.project(ball.step(task.x, noise, float(ball.eps)), task.x))
    middle = inner.mean(1)
    z, v = inner - middle[:, None], edge - middle
    ridge = (RIDGE * z.square().mean((1, 2)) + 1e-12) * INNER_INPUTS
    kernel = z @ z.transpose(1, 2) + ridge[:, None, None] * torch.eye(INNER_INPUTS).to(z)
    weights = v - (z.transpose(1, 2) @ torch.linalg.solve(kernel, (z @ v[:, :, None])))[:, :, 0]
    far, near = (v * weights).sum(1), (z @ weights[:, :, None]).amax((1, 2))
    half = ((far - near) / 2).clamp_min(1e-12)
    weights = weights / half[:, None]
    return Readout(weights, -(middle * weights).sum(1) - (far + near) / 2 / half, far > near)
