"""training-samples: samples of the training split were measured."""

import numpy as np

from robust.data.dataset import Samples
from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, costs
from robust.trust.indicators._samples import describe_rest

MAX_VALUES = 2e8  # of a training split that is read for this
MAX_SHARE = 0.05  # of the samples: sets of images are known to share some between their splits


@INDICATORS.register("training-samples")
@costs(lambda probe: 0)
def training_samples(probe: AttackProbe) -> Finding | None:
    """Check that no samples lie in the training split of the data, value by value (1902.06705).

    NotApplicableError if there is none, it is not in memory, or it is the split that was measured under another name.
    """
    train = _read_training_split(probe)
    known = {row.tobytes() for row in train.x[:]}
    new = np.array([row.tobytes() not in known for row in probe.samples.x[:]])
    count, n = int((~new).sum()), len(new)
    if count == n and len(train) == len(probe.dataset.load("test")):  # type: ignore[union-attr]
        raise NotApplicableError("the data has the same samples in both splits")
    if count <= MAX_SHARE * n:
        return None
    message = f"{count} of {n} samples are in the training split, too; expected at most {100 * MAX_SHARE:g} %"
    hint = f"measure on samples that no training has seen: {describe_rest(probe, new, 'others')}"
    return Finding("training-samples", "suspect", count / n, message, hint)


def _read_training_split(probe: AttackProbe) -> Samples:
    """Read the training split, if its inputs are an array in memory; NotApplicableError if not."""
    nothing = NotApplicableError("there is no training split that could be searched")
    if probe.dataset is None:
        raise nothing
    with probe.dataset.remarks.unchanged():
        try:
            x, _ = probe.dataset.read("train")
        except Exception as error:  # a function of the user's may know one split alone
            raise nothing from error
        if not isinstance(x, np.ndarray) or x.size > MAX_VALUES:
            raise nothing
        return probe.dataset.load("train")
