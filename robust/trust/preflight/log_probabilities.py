"""The model answers with logarithms of probabilities where logits are expected."""

from robust.models.blackbox import is_black_box
from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import ModelProbe

SLACK = 0.01  # of a sum of 1: half precision rounds no further


@PREFLIGHT.register("log-probabilities")
def log_probabilities(look: ModelProbe) -> Finding | None:
    """AutoAttack's check for probabilities does not see them (2003.01690), and what is scaled by a logit is misled."""
    if is_black_box(look.module):  # such answers are no mistake of theirs, and no gradient is misled
        raise NotApplicableError
    logits = look.logits[look.sound]
    if not len(logits) or float(logits.max()) > SLACK:
        return None
    off = float((logits.exp().sum(1) - 1).abs().max())
    if off > SLACK:
        return None
    told = f"no answer is above 0, and their exponentials sum to 1 within {off:.1g}"
    return Finding("log-probabilities", "suspect", off, told, "return logits: leave out the log_softmax at the end")
