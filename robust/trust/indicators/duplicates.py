"""duplicates: some of the samples are copies of others, so that fewer were measured than the row says."""

import numpy as np
from numpy.typing import NDArray

from robust.attacks.threats.features import FeaturesThreat
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
    x = np.nan_to_num(flatten(probe.samples.x[:]))
    near, first = NEAR * _measure_range(probe, x), np.ones(len(x), bool)
    for k in range(1, len(x)):
        first[k] = not (np.abs(x[:k][first[:k]] - x[k]) <= near).all(1).any()
    count, n = int((~first).sum()), len(x)
    if count <= MAX_SHARE * n:
        return None
    message = f"{count} of {n} samples are copies of others; expected at most {100 * MAX_SHARE:g} %"
    hint = f"leave the copies out: {describe_rest(probe, first, 'distinct ones')}"
    return Finding("duplicates", "suspect", count / n, message, hint)


def _measure_range(probe: AttackProbe, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the range of the inputs, or of a table that of each feature, (features,)."""
    part = probe.threat.parts[0]
    if isinstance(part, FeaturesThreat):
        return (part.columns.hi - part.columns.lo).numpy()
    if probe.dataset is not None and probe.dataset.layout is not None:
        lo, hi = probe.dataset.spans
        return (hi - lo).astype(np.float64)[:: max(1, len(lo) // x.shape[1])]
    return np.array(part.hi - part.lo)
