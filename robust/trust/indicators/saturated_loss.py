"""saturated-loss: the loss is so near 0 that its gradient is rounded away, and one that no scaling hides finds more."""

import numpy as np
import torch

from robust.attacks.losses import cross_entropy
from robust.attacks.task import Task
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import significant, whole

ATTACK = "pgd:loss=sice:steps=20:stride=1:last=0.01"


@INDICATORS.register("saturated-loss")
def saturated_loss(trial: AttackProbe) -> Finding | None:
    """Cross-entropy that rounds to 0 has lost the label's part of its gradient (1608.04644; 2003.01690)."""
    whole(trial)
    _ = trial.white
    flat = trial.standing.copy()
    flat[flat] = np.concatenate([*trial.tasks(_rounds_to_0, trial.standing), np.zeros(0, bool)])
    won, m = int(trial.measure(ATTACK, flat).adversarial.sum()), len(flat)
    if not significant(won, m):
        return None
    told = (
        f"for {int(flat.sum())} of {m} samples cross-entropy rounded to 0, and {won} of them fell to a scale-free loss"
    )
    hint = "the logits are too far apart for cross-entropy; use loss=sice or loss=margin, or --robust-suite=standard-1"
    return Finding("saturated-loss", "broken", won / m, f"{told}; expected none", hint)


def _rounds_to_0(task: Task) -> np.ndarray:
    loss = cross_entropy(task.logits(task.x), task.y)
    return (loss <= torch.finfo(loss.dtype).eps / 2).cpu().numpy()
