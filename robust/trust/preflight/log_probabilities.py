"""log-probabilities: the model returns logarithms of probabilities instead of logits."""

from robust.models.traits import only_answers
from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import PREFLIGHT, costs
from robust.trust.model_probe import ModelProbe

MAX_ERROR = 0.01  # of a sum of 1: half precision rounds no further


@PREFLIGHT.register("log-probabilities")
@costs(lambda probe: probe.count_passes("logits"))
def log_probabilities(probe: ModelProbe) -> Finding | None:
    """Check that the exponentials of the logits do not sum to 1: a loss that is scaled by a logit would be wrong.

    AutoAttack's own check for probabilities misses this case (2003.01690). NotApplicableError for a black box: it may
    answer so, and it has no gradient.
    """
    if only_answers(probe.module):
        raise NotApplicableError("the model only answers")
    logits = probe.logits[probe.finite]
    if not len(logits) or float(logits.max()) > MAX_ERROR:
        return None
    error = float((logits.exp().sum(1) - 1).abs().max())
    if error > MAX_ERROR:
        return None
    message = f"no answer is above 0, and their exponentials sum to 1 within {error:.1g}; expected logits"
    return Finding("log-probabilities", "suspect", error, message, "return logits: remove the log_softmax at the end")
