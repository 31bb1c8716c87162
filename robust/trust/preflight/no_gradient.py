"""no-gradient: no gradient leads from the answers to the inputs, or only for some samples."""

from robust.models.traits import is_queried, only_answers
from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import ModelProbe

# Of the samples: above the first suspect, above the second broken. A sound network of four ReLUs had none at 7 %.
MAX_SHARE, MAX_SUSPECT_SHARE = 0.1, 0.25


@PREFLIGHT.register("no-gradient")
@any_criterion
@costs(lambda probe: probe.count_passes("logits", "gradients"))
def no_gradient(probe: ModelProbe) -> Finding | None:
    """Check that the gradient of the margin is finite and not 0 (1802.00420; indicator 1 of 2106.09947).

    Unlike the gradient of the cross-entropy it does not vanish when a model is confident. NotApplicableError for a
    black box.
    """
    if is_queried(probe.module):
        message = "its parameters are quantised, and no gradient reaches the inputs: it is attacked by queries"
        return Finding("no-gradient", "trusted", None, message, "the figures are loose upper bounds, as of a black box")
    if only_answers(probe.module):
        raise NotApplicableError("the model only answers")
    sizes = probe.gradients.margin_size
    sizes = sizes[probe.finite[: len(sizes)]]
    if not (n := len(sizes)):
        return None
    share = float((~(sizes > 0) | ~sizes.isfinite()).sum()) / n
    if share <= MAX_SHARE:
        return None
    seen = f"the gradient of the margin is 0 or NaN at {100 * share:.1f} % of the samples"
    message = probe.gradients.blocked or f"{seen}; expected at most {100 * MAX_SHARE:g} %"
    hint = "look for detach, no_grad, inference_mode, round, sign or argmax; or attack without gradients, as by square"
    return Finding("no-gradient", "broken" if share > MAX_SUSPECT_SHARE else "suspect", share, message, hint)
