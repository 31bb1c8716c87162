"""saturated: the logits are so far apart that the cross-entropy has no gradient, although the margin has one."""

import torch

from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import PREFLIGHT, costs
from robust.trust.model_probe import ModelProbe

# Of the samples that are classified correctly: above the first suspect, above the second broken.
MAX_SHARE, MAX_SUSPECT_SHARE = 0.01, 0.1


@PREFLIGHT.register("saturated")
@costs(lambda probe: probe.count_passes("logits", "clean"))
def saturated(probe: ModelProbe) -> Finding | None:
    """Check that the softmax does not round to exactly 0 and 1, as in defensive distillation (1608.04644).

    NotApplicableError if no gradient reaches the inputs: see no-gradient.
    """
    if probe.clean.blocked:
        raise NotApplicableError
    correct = torch.from_numpy(probe.correct)
    valid = correct & probe.finite & (probe.clean.margin_grad > 0)
    if not bool(valid.any()):
        return None
    share = float((probe.clean.ce_grad[valid] == 0).sum() / valid.sum())
    if share <= MAX_SHARE:
        return None
    seen = f"the gradient of the cross-entropy is 0 at {100 * share:.1f} % of the correctly classified samples"
    message = f"{seen}; expected at most {100 * MAX_SHARE:g} %"
    hint = "divide the logits by a constant, or attack with loss=margin, loss=dlr or loss=sice"
    return Finding("saturated", "broken" if share > MAX_SUSPECT_SHARE else "suspect", share, message, hint)
