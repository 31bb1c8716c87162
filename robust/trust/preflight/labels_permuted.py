"""The answers are right under other names of the classes: shifted by one, sorted otherwise, or exchanged."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from robust.records.trust import Finding
from robust.stats import mcnemar
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import ModelProbe

LEAST = 0.05  # of the samples: right by so many more,
MOSTLY = 0.5  # of the samples: right by so many at all, for the best of all namings is no worse than guessing, and
RISK = 0.01  # not by chance: McNemar's test, times the number of namings (Bonferroni)
LISTED = 4  # classes

Classes = NDArray[np.int64]


@PREFLIGHT.register("labels-permuted")
def labels_permuted(look: ModelProbe) -> Finding | None:
    """Classes in another order than in training are told by no error, only by an accuracy near 0 (auto-attack 64).

    The naming is fitted to every second sample, and judged on the others, so that it gains nothing by chance.
    """
    y, answered, classes = look.samples.y, look.answered, np.arange(look.classes)
    namings = {
        "one more": (classes + 1) % look.classes,
        "one less": (classes - 1) % look.classes,
        "": _fitted(y[::2], answered[::2], look.classes),
    }
    y, answered = y[1::2], answered[1::2]
    if not len(y):
        return None
    rates = {name: float((naming[y] == answered).mean()) for name, naming in namings.items()}
    best = max(rates, key=rates.__getitem__)
    now = float((y == answered).mean())
    p_value = mcnemar(namings[best][y] == answered, y == answered)
    enough = rates[best] > MOSTLY and rates[best] - max(now, look.commonest) > LEAST
    if not enough or p_value * len(namings) > RISK:
        return None
    told = f"clean accuracy is {100 * now:.1f} %, and {100 * rates[best]:.1f} % with {_named(best, namings[best])}"
    hint = "order the model's classes as the data does"
    return Finding("labels-permuted", "broken", rates[best] - now, told, hint)


def _fitted(y: Classes, answered: Classes, classes: int) -> Classes:
    """For each label the class that stands for it, (classes,), each for one: as many right as there can be."""
    seen = answered >= 0
    counts = 0.5 * np.eye(classes)  # what is not seen keeps its name
    np.add.at(counts, (y[seen], answered[seen]), 1)
    found: Classes = linear_sum_assignment(-counts)[1]
    return found


def _named(name: str, naming: Classes) -> str:
    if name:
        return f"each label taken as {name}"
    moved = [(label, taken) for label, taken in enumerate(naming) if label != taken]
    listed = ", ".join(f"{label} as {taken}" for label, taken in moved[:LISTED])
    return f"label {listed}{' and so on' * (len(moved) > LISTED)}"
