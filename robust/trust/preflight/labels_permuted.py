"""labels-permuted: the answers are correct under another numbering of the classes: shifted, sorted or exchanged."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from robust.records.trust import Finding
from robust.stats import mcnemar
from robust.trust.checks import PREFLIGHT, costs
from robust.trust.model_probe import ModelProbe

MIN_GAIN = 0.05  # of the samples: a smaller gain is no finding
MIN_ACCURACY = 0.5  # under the new numbering: even for a model that guesses the best numbering gains something
MAX_P_VALUE = 0.01  # of McNemar's test, times the number of numberings (Bonferroni)
MAX_LISTED = 4  # classes in the message

Classes = NDArray[np.int64]


@PREFLIGHT.register("labels-permuted")
@costs(lambda probe: probe.count_passes("logits"))
def labels_permuted(probe: ModelProbe) -> Finding | None:
    """Check that no other numbering of the classes is correct for far more samples (AutoAttack #64).

    A numbering is fitted to every second sample and judged on the others, so that it gains nothing by chance.
    """
    y, predicted, classes = probe.samples.y, probe.predicted, np.arange(probe.classes)
    numberings = {
        "one more": (classes + 1) % probe.classes,
        "one less": (classes - 1) % probe.classes,
        "": _fit(y[::2], predicted[::2], probe.classes),
    }
    y, predicted = y[1::2], predicted[1::2]
    if not len(y):
        return None
    rates = {name: float((numbering[y] == predicted).mean()) for name, numbering in numberings.items()}
    best = max(rates, key=rates.__getitem__)
    now = float((y == predicted).mean())
    p_value = mcnemar(numberings[best][y] == predicted, y == predicted)
    enough = rates[best] > MIN_ACCURACY and rates[best] - max(now, probe.majority) > MIN_GAIN
    if not enough or p_value * len(numberings) > MAX_P_VALUE:
        return None
    seen = f"clean accuracy is {100 * now:.1f} %, and {100 * rates[best]:.1f} % with"
    message = f"{seen} {_describe(best, numberings[best])}; expected no gain"
    hint = "number the model's classes as the data set does"
    return Finding("labels-permuted", "broken", rates[best] - now, message, hint)


def _fit(y: Classes, predicted: Classes, classes: int) -> Classes:
    """Assign to each label one predicted class, (classes,), so that as many samples as possible are correct."""
    valid = predicted >= 0
    counts = 0.5 * np.eye(classes)  # a label that does not occur keeps its number
    np.add.at(counts, (y[valid], predicted[valid]), 1)
    assigned: Classes = linear_sum_assignment(-counts)[1]
    return assigned


def _describe(name: str, numbering: Classes) -> str:
    if name:
        return f"each label taken as {name}"
    moved = [(label, taken) for label, taken in enumerate(numbering) if label != taken]
    listed = ", ".join(f"{label} as {taken}" for label, taken in moved[:MAX_LISTED])
    return f"label {listed}{' and so on' * (len(moved) > MAX_LISTED)}"
