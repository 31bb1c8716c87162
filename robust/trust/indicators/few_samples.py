"""few-samples: so few samples were measured that the figure says little."""

from robust.records.trust import Finding
from robust.stats import wilson
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs

MIN_SAMPLES = 30


@INDICATORS.register("few-samples")
@any_criterion
@costs(lambda probe: 0)
def few_samples(probe: AttackProbe) -> Finding | None:
    """Note that an interval is wide: for 30 samples of which half fall it spans 34 points."""
    k, n = int(probe.robust.sum()), len(probe.samples)
    if n >= MIN_SAMPLES:
        return None
    low, high = wilson(k, n)
    message = f"{n} samples: the 95 % interval of robust accuracy is {100 * low:.1f} to {100 * high:.1f} %"
    return Finding(
        "few-samples", "trusted", float(n), message, f"measure {MIN_SAMPLES} and more, or gate by the interval"
    )
