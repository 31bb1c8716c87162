"""guessing: the clean accuracy is that of chance, or all samples get the same class."""

import numpy as np

from robust.records.trust import Finding
from robust.stats import wilson
from robust.trust.checks import PREFLIGHT, costs
from robust.trust.model_probe import ModelProbe


@PREFLIGHT.register("guessing")
@costs(lambda probe: probe.count_passes("logits"))
def guessing(probe: ModelProbe) -> Finding | None:
    """Check that the clean accuracy is significantly above chance (1902.06705; AutoAttack #64).

    Without that no other figure of the row means anything.
    """
    count, n = int(probe.correct.sum()), len(probe.samples)
    share, low = count / n, wilson(count, n)[0]
    constant = len(np.unique(probe.predicted)) == 1 < len(np.unique(probe.samples.y))
    if low > 1 / probe.classes and not constant:
        return None
    figure = f"clean accuracy {100 * share:.1f} % ({count} of {n})"
    message = f"{figure}; expected significantly more than guessing among {probe.classes} classes"
    if constant:
        message = f"{figure}, and every sample is classified as {probe.predicted[0]}; expected several classes"
    hint = "check that the model is trained, its weights are loaded, and its inputs are scaled as in training"
    return Finding("guessing", "broken", share, message, hint)
