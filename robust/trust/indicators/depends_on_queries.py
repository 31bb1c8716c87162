"""depends-on-queries: after the attacks the model answers the clean samples otherwise than before."""

from robust.models.judged import batch_change
from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._shared import require_deterministic
from robust.trust.model_probe import MAX_NOISE, measure_change


@INDICATORS.register("depends-on-queries")
@any_criterion
@costs(lambda probe: probe.count_now())
def depends_on_queries(probe: AttackProbe) -> Finding | None:
    """Check that the answers to clean samples are those from before the attacks: no counter, clock or cache decides.

    What forward writes on the model is put back, so that this is kept elsewhere. NotApplicableError if the model was
    not asked before, or is quantised by the batch.
    """
    require_deterministic(probe)
    if probe.before is None:
        raise NotApplicableError("the model was not asked before the attacks")
    if batch_change(probe.module):
        raise NotApplicableError("the answers depend on the batch, as depends-on-batch says")
    change = measure_change(probe.before[: len(probe.now)].double(), probe.now.double())
    if change <= MAX_NOISE:
        return None
    seen = f"after the attacks the logits of the samples differ by up to {change:.2g} times their range"
    hint = "let the answer depend on the input alone: on no counter, clock, cache, or what was asked before"
    return Finding("depends-on-queries", "broken", change, f"{seen}; expected at most {MAX_NOISE:g}", hint)
