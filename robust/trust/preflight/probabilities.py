"""The model answers with probabilities where logits are expected."""

from robust.models.blackbox import is_black_box
from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import ModelProbe

SLACK = 0.01  # of a sum of 1: half precision rounds no further
SURE = 0.9  # that some sample of a trained model is given


@PREFLIGHT.register("probabilities")
def probabilities(look: ModelProbe) -> Finding | None:
    """Losses take a softmax of their own, and the gradient through two of them fades (2003.01690)."""
    if is_black_box(look.module):  # such answers are no mistake of theirs, and no gradient is misled
        raise NotApplicableError
    logits = look.logits[look.sound]
    if not len(logits) or float(logits.min()) < -SLACK or float(logits.max()) > 1 + SLACK:
        return None
    off = float((logits.sum(1) - 1).abs().max())
    if off <= SLACK:
        told, last = f"each answer is from 0 to 1, and they sum to 1 within {off:.1g}", "softmax"
    elif float(logits.max()) > SURE:
        told, last = "each answer is from 0 to 1", "sigmoid"
    else:
        return None
    return Finding("probabilities", "suspect", off, told, f"return logits: leave out the {last} at the end")
