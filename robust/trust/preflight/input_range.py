"""input-range: the inputs leave the range that the data set declares, or fill little of it."""

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import ModelProbe

MIN_FILLED = 0.1  # of the range; images fill nearly all of it


@PREFLIGHT.register("input-range")
@any_criterion
@costs(lambda probe: 0)
def input_range(probe: ModelProbe) -> Finding | None:
    """Check that the inputs lie in the declared range, and fill a tenth of it at least (foolbox #602).

    An attack cannot change an input outside the range; for inputs that fill a small part of it eps is too large.
    """
    probe.require_one_input()  # of several each is checked as it is read
    x, lo, hi = probe.x, probe.dataset.lo, probe.dataset.hi
    message = f"the inputs range from {x.min():.4g} to {x.max():.4g}; expected {lo:g} to {hi:g}, as declared"
    hint = "declare their bounds, as npz:FILE:lo=-1:hi=1, or scale them once, not twice"
    if x.min() < lo or x.max() > hi:
        return Finding("input-range", "broken", float(max(lo - x.min(), x.max() - hi)), message, hint)
    filled = float(x.max() - x.min()) / (hi - lo)
    return Finding("input-range", "suspect", filled, message, hint) if filled < MIN_FILLED else None
