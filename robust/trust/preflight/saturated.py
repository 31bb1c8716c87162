"""The answers are so far apart that the cross-entropy has no gradient left, while the margin has one."""

import torch

from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import ModelProbe

MOST, MANY = 0.01, 0.1  # of the samples that are answered right


@PREFLIGHT.register("saturated")
def saturated(look: ModelProbe) -> Finding | None:
    """So defensive distillation hid its gradients (1608.04644): the softmax rounds to exactly 0 and 1."""
    if look.faced.barred:
        raise NotApplicableError
    right = torch.from_numpy(look.right)
    seen = right & look.sound & (look.faced.margin > 0)
    if not bool(seen.any()):
        return None
    share = float((look.faced.loss[seen] == 0).sum() / seen.sum())
    if share <= MOST:
        return None
    told = f"the gradient of the cross-entropy is 0 at {100 * share:.1f} % of the samples answered right"
    hint = "divide the logits by a constant, or attack with loss=margin, dlr or sice"
    return Finding("saturated", "broken" if share > MANY else "suspect", share, told, hint)
