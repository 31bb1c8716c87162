"""The inputs leave the range that the data set declares, or fill little of it."""

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import ModelProbe

LEAST = 0.1  # of the range that inputs fill; pictures fill nearly all


@PREFLIGHT.register("input-range")
def input_range(look: ModelProbe) -> Finding | None:
    """Beyond the range nothing is admitted and an attack does nothing (foolbox 602); far inside it eps is too large."""
    x, lo, hi = look.x, look.dataset.lo, look.dataset.hi
    seen = f"the inputs go from {x.min():.4g} to {x.max():.4g}, declared are {lo:g} to {hi:g}"
    hint = "declare their bounds, as npz:FILE:lo=-1:hi=1, or scale them once, not twice"
    if x.min() < lo or x.max() > hi:
        return Finding("input-range", "broken", float(max(lo - x.min(), x.max() - hi)), seen, hint)
    filled = float(x.max() - x.min()) / (hi - lo)
    return Finding("input-range", "suspect", filled, seen, hint) if filled < LEAST else None
