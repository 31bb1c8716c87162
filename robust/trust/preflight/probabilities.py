"""probabilities: the model returns probabilities instead of logits."""

from robust.models.traits import only_answers
from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import PREFLIGHT, costs, for_labels
from robust.trust.model_probe import ModelProbe

MAX_ERROR = 0.01  # of a sum of 1: half precision rounds no further
CONFIDENT = 0.9  # probability that a trained model gives to some sample


@PREFLIGHT.register("probabilities")
@for_labels("class", "bits")
@costs(lambda probe: probe.count_passes("logits"))
def probabilities(probe: ModelProbe) -> Finding | None:
    """Check that the answers are no probabilities: through a second softmax the gradient vanishes (2003.01690).

    Of several labels a sample each would be on, since none is below 0.

    NotApplicableError for a black box: it may answer so, and it has no gradient.
    """
    if only_answers(probe.module):
        raise NotApplicableError("the model only answers")
    logits = probe.logits[probe.finite]
    if not len(logits) or float(logits.min()) < -MAX_ERROR or float(logits.max()) > 1 + MAX_ERROR:
        return None
    error = float((logits.sum(1) - 1).abs().max())
    if probe.criterion.labels == "bits":
        hint = "say --robust-output=probability, or remove the sigmoid at the end"
        return Finding("probabilities", "broken", error, "each answer is from 0 to 1; expected logits", hint)
    if error <= MAX_ERROR:
        seen, last = f"each answer is from 0 to 1, and they sum to 1 within {error:.1g}", "softmax"
    elif float(logits.max()) > CONFIDENT:
        seen, last = "each answer is from 0 to 1", "sigmoid"
    else:
        return None
    hint = f"return logits: remove the {last} at the end"
    return Finding("probabilities", "suspect", error, f"{seen}; expected logits", hint)
