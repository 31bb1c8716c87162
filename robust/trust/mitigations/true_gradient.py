"""true-gradient: where the gradient is wrong, that of what the model computes, or slopes in its place.

What stops or replaces a backward pass is left out, as far as that mends the slopes (see wrong-gradient). The backward
pass differentiable approximation of 1802.00420 needs a person who reads the model; here the slopes choose.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from robust.attacks.rng import Rng
from robust.attacks.task import Task
from robust.trust.attached import Attached
from robust.trust.checks import any_criterion
from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack
from robust.trust.slopes import measure_slopes

GOOD, BETTER = 0.5, 0.1  # median errors of slopes: such a gradient leads somewhere; a repair must mend so much
REPAIRS = (Attached, partial(Attached, functions=True), partial(Attached, functions=True, through=True))


@MITIGATIONS.register("true-gradient")
@any_criterion
def true_gradient(context: Context, attack: MitigatedAttack) -> MitigatedAttack | None:
    """Take the way that mends the slopes best, the simplest first; follow the slopes themselves if none does."""
    if attack.draws > 1:  # the slopes of a random model are noise
        return None
    best, errors = attack.model, _measure_errors(context, attack.model)
    if errors.near > BETTER:
        for repair in REPAIRS:
            if (found := _measure_errors(context, attack.model, repair)).near < errors.near - BETTER:
                best, errors = repair(attack.model), found
    misled = max(errors) > GOOD
    return replace(attack, model=best, slopes=misled) if misled or best is not attack.model else None


def is_repairable(context: Context, attack: MitigatedAttack) -> bool:
    """Whether a repair mends the gradient of the attack's model so far that it leads somewhere."""
    repaired = true_gradient(context, attack)
    return repaired is not None and repaired.model is not attack.model and not repaired.slopes


class _Errors(NamedTuple):
    """The median errors of a gradient."""

    near: float  # along steps that are as short as the model allows
    far: float  # along steps of a quarter of the ball


def _measure_errors(
    context: Context, model: nn.Module, repair: Callable[[nn.Module], nn.Module] | None = None
) -> _Errors:
    """Measure the errors of the gradient of `repair(model)`; 1 for one that cannot be had."""
    with torch.no_grad():
        labels = model(context.x.clone()).argmax(1) if context.y is None else context.y
    rng = Rng.of(context.seed, torch.arange(len(context.x), device=context.x.device))
    try:
        task = Task.of(model, context.x, labels, context.threat.parts[0], rng, context.criterion)
        slopes = measure_slopes(task, model, repair)
    except Exception:  # a repair may lead to code that was never meant to be differentiated
        return _Errors(1.0, 1.0)
    # A gradient of 0 where the model is constant is right, and leads nowhere.
    near = torch.where(slopes.still, slopes.coarse, slopes.error)
    return _Errors(float(near.median()), float(slopes.coarse.median()))
