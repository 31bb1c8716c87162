"""unstable-predictions: small random changes of the input, in no direction that was sought, change the answer much."""

import torch
from torch import Tensor

from robust.attacks.task import Task
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.gradients import join_traces
from robust.trust.indicators._shared import significant

REACH, DRAWS = 0.25, 8  # of the ball, and how often a sample is moved within that
MOST = 0.3  # of the margin; on the honest networks of the tests up to 0.07 in the mean
OFTEN = 0.05  # of the samples: those whose margin is next to nothing


@INDICATORS.register("unstable-predictions")
def unstable_predictions(trial: AttackProbe) -> Finding | None:
    """Where the answer jumps from place to place a gradient is noise (indicator 2 of 2106.09947, on the margin)."""
    _ = trial.white
    moved = join_traces(trial.tasks(_moved, trial.standing))
    k, n = int((moved > MOST).sum()), len(moved)
    if not significant(k, n, OFTEN):
        return None
    told = f"random changes of {REACH:g} eps moved the margin of {k} of {n} samples by more than {MOST:.0%}"
    hint = "average gradients over a neighbourhood, or attack without them, as by square"
    return Finding("unstable-predictions", "suspect", k / n, f"{told}; expected few", hint)


def _moved(task: Task) -> Tensor:
    """(n,): by how much random changes move the margin, as a share of it, at most 1; the mean over the draws."""
    before = task.criterion.margin(task.logits(task.x), task.y)
    after = torch.stack([task.criterion.margin(task.logits(task.fold(k).start(REACH)), task.y) for k in range(DRAWS)])
    return ((after - before).abs() / before.abs()).clamp_max(1).mean(0).cpu()
