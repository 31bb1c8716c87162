"""saturated-loss: the loss rounds to 0 and loses its gradient, and a loss without scale finds more."""

import numpy as np
import torch

from robust.attacks.losses import cross_entropy
from robust.attacks.task import Task
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, costs
from robust.trust.indicators._shared import require_complete, require_free
from robust.trust.significance import is_significant

ATTACK = "pgd:loss=sice:steps=20:stride=1:last=0.01"


@INDICATORS.register("saturated-loss")
@costs(lambda probe: probe.robust.sum())
def saturated_loss(probe: AttackProbe) -> Finding | None:
    """Check that no sample is robust only because its cross-entropy rounds to 0 (1608.04644; 2003.01690).

    Its gradient then lacks the part of the label.
    """
    require_complete(probe)
    require_free(probe)
    probe.require_gradient_attacks()
    flat = probe.robust.copy()
    flat[flat] = np.concatenate([*probe.run_on_batches(_rounds_to_0, probe.robust), np.zeros(0, bool)])
    count, m = int(probe.measure(ATTACK, flat).adversarial.sum()), len(flat)
    if not is_significant(count, m):
        return None
    seen = f"the cross-entropy rounds to 0 for {int(flat.sum())} of {m} samples"
    message = f"{seen}, and a loss without scale found adversarial examples for {count} of them; expected none"
    hint = "the logits are too far apart for cross-entropy; use loss=sice or loss=margin, or --robust-suite=standard-1"
    return Finding("saturated-loss", "broken", count / m, message, hint)


def _rounds_to_0(task: Task) -> np.ndarray:
    loss = cross_entropy(task.logits(task.x), task.y)
    return (loss <= torch.finfo(loss.dtype).eps / 2).cpu().numpy()
