"""easy-samples: the model is surer of the samples than of others of the same data."""

import torch
from scipy.stats import mannwhitneyu

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._samples import MAX_OTHERS, MIN_OTHERS, load_others
from robust.trust.indicators._shared import require_deterministic
from robust.trust.significance import MAX_P_VALUE

MAX_SURER = 0.6  # chance that a sample's lead is above that of another one; 0.5 if neither was chosen


@INDICATORS.register("easy-samples")
@any_criterion
@costs(lambda probe: max(MIN_OTHERS, probe.budget.few(MAX_OTHERS)))
def easy_samples(probe: AttackProbe) -> Finding | None:
    """Check that the label leads by no more than at samples that were not measured, by the test of Mann and Whitney.

    So it does if the samples were chosen for it, or learnt by heart. Of the training split a sound model is surer than
    of all other samples. NotApplicableError if there are no others.
    """
    require_deterministic(probe)
    where, others = load_others(probe)
    answers = probe.answer_samples(others)
    leads = -probe.criterion.margin(answers, torch.from_numpy(others.y)).double().numpy()
    surer, p = mannwhitneyu(probe.lead, leads, alternative="greater")
    share = float(surer) / (len(probe.lead) * len(leads))
    if share <= MAX_SURER or p > MAX_P_VALUE:
        return None
    accuracy = 100 * float((leads > 0).mean())
    seen = f"in {100 * share:.0f} of 100 pairs the model is surer of a sample than of one of {where}, where it is right"
    message = f"{seen} for {accuracy:.1f} %; expected about 50"
    hint = "draw the samples at random from all, and see that the model has learnt none of them"
    return Finding("easy-samples", "suspect", share, message, hint)
