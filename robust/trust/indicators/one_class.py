"""one-class: the samples are of few of the classes."""

import numpy as np

from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, costs

ENOUGH = 2  # samples a class: a draw from all classes then has nearly all of them


@INDICATORS.register("one-class")
@costs(lambda probe: 0)
def one_class(probe: AttackProbe) -> Finding | None:
    """Check that more than half of the classes occur, and more than one, where the samples are enough to show them."""
    if probe.dataset is not None and probe.dataset.attacked:
        raise NotApplicableError("the user chose the classes")
    n, present = len(probe.samples), len(np.unique(probe.samples.y))
    if n < ENOUGH * probe.classes or present > max(1, probe.classes // 2):
        return None
    message = f"the labels of {n} samples are of {present} of {probe.classes} classes; expected nearly all"
    hint = "draw the samples from the whole split: the figure says nothing of the other classes"
    return Finding("one-class", "suspect", present / probe.classes, message, hint)
