"""The passes that the checks of a row may take, by those of its attacks. No torch: the header of a run tells it."""

import math
from collections.abc import Iterable

from robust.attacks.spec import Spec
from robust.attacks.words import GRADIENT_FREE

GRADIENT_PASSES = 3  # of a sample, for an answer and its gradient: a backward pass takes as long as two forward
TIMES = ("restarts", "starts", "targets", "eot")  # options that multiply the steps; starts share the targets out
STEPS = 20  # of an attack that does not say how many
# Passes of a sample that the attacks of a row may take at most: up to the first number, as in quick-1, the checks may
# take as many as the row; where it is four times as large, as in standard-1, a quarter.
WHOLE, LEAST_SHARE = 400, 0.25
# Passes of each sample that is checked, at least; and in a row whose attacks may take fewer than those of quick-1: a
# single step takes 3, which would leave no check.
LEAST, LEAST_OF_FEW, FEW = 16, 80, 200
CHECKS = 0.75  # of all these passes; the others are for mitigations


def share_of(attacks: Iterable[str]) -> float:
    """Return the share of the passes of a row's attacks, given by their specs, that its checks may take."""
    return min(1.0, max(LEAST_SHARE, WHOLE / max(1, sum(map(_count_planned, attacks)))))


def least_of(attacks: Iterable[str]) -> int:
    """Return the passes of each sample that the checks of a row may take whatever its attacks took."""
    return LEAST if sum(map(_count_planned, attacks)) >= FEW else LEAST_OF_FEW


def count_affordable(attacks: Iterable[str], taken: float, samples: int) -> float:
    """Count the passes that the checks of a row may take, whose attacks took so many; so many samples are checked."""
    return max(share_of(specs := (*attacks,)) * taken, float(least_of(specs) * samples))


def _count_planned(attack: str) -> int:
    """Count the passes of a sample that resists an attack, as far as its spec tells."""
    spec = Spec.parse(attack)
    options = dict(spec.options)
    steps = 1 if spec.name == "fgsm" else _read(options.get("steps"), STEPS)
    each = 1 if spec.name in GRADIENT_FREE else GRADIENT_PASSES
    if "starts" in options:
        options.pop("targets", None)
    return each * steps * math.prod(_read(options.get(name), 1) for name in TIMES)


def _read(value: object, default: int) -> int:
    return int(text) if (text := str(value)).isdigit() else default
