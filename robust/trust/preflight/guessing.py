"""The clean accuracy is that of guessing, or every sample is given the same class."""

import numpy as np

from robust.records.trust import Finding
from robust.stats import wilson
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import ModelProbe


@PREFLIGHT.register("guessing")
def guessing(look: ModelProbe) -> Finding | None:
    """Then no other figure means anything: report the clean accuracy first (1902.06705; auto-attack 64)."""
    right, n = int(look.right.sum()), len(look.samples)
    share, least = right / n, wilson(right, n)[0]
    alike = len(np.unique(look.answered)) == 1 < len(np.unique(look.samples.y))
    if least > 1 / look.classes and not alike:
        return None
    figure = f"clean accuracy {100 * share:.1f} % ({right} of {n})"
    told = f"{figure} cannot be told from guessing among {look.classes} classes"
    if alike:
        told = f"{figure}, and every sample is taken for class {look.answered[0]}"
    hint = "is it trained, are its weights loaded, its inputs scaled as in training?"
    return Finding("guessing", "broken", share, told, hint)
