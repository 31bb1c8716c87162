"""No gradient leads from the answers to the inputs, or only from some."""

from robust.models.blackbox import is_black_box
from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import ModelProbe

MOST, MANY = 0.1, 0.25  # of the samples; an honest network of four ReLUs was dead at 7 %


@PREFLIGHT.register("no-gradient")
def no_gradient(look: ModelProbe) -> Finding | None:
    """The first thing to go wrong with attacks that follow it (1802.00420; indicator 1 of 2106.09947).

    That of the margin is looked at, for it does not fade where a model is sure of itself.
    """
    if is_black_box(look.module):
        raise NotApplicableError
    steep, n = look.faced.margin[look.sound], int(look.sound.sum())
    if not n:
        return None
    share = float((~(steep > 0) | ~steep.isfinite()).sum()) / n
    if share <= MOST:
        return None
    told = look.faced.barred or f"the gradient is 0 or NaN everywhere at {100 * share:.1f} % of the samples"
    hint = "look for detach, no_grad, round, sign or argmax; or attack without one, as square"
    return Finding("no-gradient", "broken" if share > MANY else "suspect", share, told, hint)
