"""duplicates: some of the samples are copies of others, so that fewer were measured than the row says."""

import numpy as np

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._samples import describe_rest, flatten

NEAR = 0.01  # of the inputs' range, of every value: less than three levels of 8 bits
MAX_SHARE = 0.1  # of the samples


@INDICATORS.register("duplicates")
@any_criterion
@costs(lambda probe: 0)
def duplicates(probe: AttackProbe) -> Finding | None:
    """Check that few samples are copies of others, or almost: an interval takes them for independent (1902.06705)."""
    x = flatten(probe.samples.x[:])
    part = probe.threat.parts[0]
    near, first = NEAR * (part.hi - part.lo), np.ones(len(x), bool)
    for k in range(1, len(x)):
        first[k] = not (np.abs(x[:k][first[:k]] - x[k]).max(1) <= near).any()
    count, n = int((~first).sum()), len(x)
    if count <= MAX_SHARE * n:
        return None
    message = f"{count} of {n} samples are copies of others; expected at most {100 * MAX_SHARE:g} %"
    hint = f"leave the copies out: {describe_rest(probe, first, 'distinct ones')}"
    return Finding("duplicates", "suspect", count / n, message, hint)
