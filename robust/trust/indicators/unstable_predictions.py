"""unstable-predictions: small random perturbations change the margin of many samples much."""

import torch
from torch import Tensor

from robust.attacks.task import Task
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.gradients import join_batches
from robust.trust.indicators._shared import require_steady
from robust.trust.significance import is_significant

REACH, DRAWS = 0.25, 8  # of the ball, and the number of random perturbations of a sample within it
MAX_SAMPLES = 24
MAX_CHANGE = 0.3  # of the margin; on the sound networks of the tests up to 0.07 on average
MAX_SHARE = 0.05  # of the samples, whose margin is almost 0


@INDICATORS.register("unstable-predictions")
@any_criterion
@costs(lambda probe: (1 + DRAWS) * probe.first_robust(MAX_SAMPLES).sum())
def unstable_predictions(probe: AttackProbe) -> Finding | None:
    """Check that small random perturbations change few margins much (indicator 2 of 2106.09947, on the margin).

    If the answer jumps from place to place its gradient is noise.
    """
    probe.require_gradient_attacks()
    require_steady(probe)
    change = join_batches(probe.run_on_batches(_measure_change, probe.first_robust(MAX_SAMPLES)))
    count, n = int((change > MAX_CHANGE).sum()), len(change)
    if not is_significant(count, n, MAX_SHARE):
        return None
    seen = f"random perturbations of {REACH:g} eps changed the margin of {count} of {n} samples"
    message = f"{seen} by more than {100 * MAX_CHANGE:g} %; expected few"
    hint = "average gradients over a neighbourhood, or attack without them, as square does"
    return Finding("unstable-predictions", "suspect", count / n, message, hint)


def _measure_change(task: Task) -> Tensor:
    """Return the mean change of the margin by random perturbations, as a share of it and at most 1, (n,)."""
    before = task.criterion.margin(task.logits(task.x), task.y)
    after = torch.stack([task.criterion.margin(task.logits(task.fold(k).start(REACH)), task.y) for k in range(DRAWS)])
    return ((after - before).abs() / before.abs()).clamp_max(1).mean(0).cpu()
