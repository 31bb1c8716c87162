"""A test whether a model answers better on transformed inputs: then it was trained on inputs of another form."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from robust.flags import Flags
from robust.stats import mcnemar
from robust.trust.model_probe import Inputs, ModelProbe

# The transforms compete on a quarter of the samples, but on so many at least and at most. Those that come close to the
# best, and are better than none, are tested on all samples.
MIN_SCREENED, MAX_SCREENED = 16, 64
FINALISTS, MAX_BEHIND = 2, 0.15  # how many at most, and by which share of the samples they may be behind the best
TIE = 0.02  # of the samples: a transform that is better by less is no likelier
MIN_GAIN = 0.05  # of the samples: a smaller gain is no finding
MAX_P_VALUE = 0.01  # of McNemar's test, times the number of transforms (Bonferroni)
BROKEN_GAIN = 0.2  # of the samples: no sound model gains more

Transform = Callable[[Inputs], Inputs]


class Improvement(NamedTuple):
    """The transform on whose outputs the model answers better."""

    name: str
    gain: float  # of the samples: over the accuracy now, or over that of a constant answer if it is higher
    message: str
    grade: str


def count_passes(probe: ModelProbe, transforms: int) -> float:
    """Count the passes that `find_improvement` takes for so many transforms; a backward pass counts as two."""
    before = probe.count_passes("logits")
    if not transforms or (not before and not _can_improve(probe, transforms)):
        return before
    n = len(probe.samples)
    return before + probe.count_passes("noise") + transforms * _count_screened(n) + FINALISTS * n


def _count_screened(n: int) -> int:
    return min(n, max(MIN_SCREENED, min(MAX_SCREENED, n // 4)))


def _can_improve(probe: ModelProbe, transforms: int) -> bool:
    """Whether the best of so many transforms could improve the accuracy enough, if all its answers were right."""
    return _is_enough(probe, np.ones_like(probe.correct), transforms)


def _is_enough(probe: ModelProbe, right: Flags, transforms: int) -> bool:
    """Whether a transform with these right answers, (n,), is so much better than none, and significantly."""
    p_value = mcnemar(right, probe.correct) * transforms
    return _gain(probe, right) >= MIN_GAIN and p_value <= MAX_P_VALUE


def _gain(probe: ModelProbe, right: Flags) -> float:
    return float(right.mean() - max(probe.correct.mean(), probe.majority))


def find_improvement(probe: ModelProbe, transforms: Mapping[str, Transform]) -> Improvement | None:
    """Return the best of the transforms if it improves the accuracy by MIN_GAIN at least, and significantly.

    Of several that do about equally well it is the first.
    """
    # A transform that drowns a model's own noise improves it, and is no sign of a mistake.
    if not _can_improve(probe, len(transforms)) or not probe.deterministic:
        return None
    finalists = _screen(probe, transforms)
    answers = {name: _find_right(probe, transforms[name], len(transforms)) for name in transforms if name in finalists}
    right = {name: found for name, found in answers.items() if found is not None}
    most = max((found.mean() for found in right.values()), default=0.0)
    best = next((name for name, found in right.items() if found.mean() >= most - TIE), None)
    if best is None or not _is_enough(probe, right[best], len(transforms)):
        return None
    now, then = 100 * probe.correct.mean(), 100 * right[best].mean()
    message = f"clean accuracy is {now:.1f} %, and {then:.1f} % with the inputs {best}; expected no gain"
    gain = _gain(probe, right[best])
    return Improvement(best, gain, message, "broken" if gain > BROKEN_GAIN else "suspect")


def _screen(probe: ModelProbe, transforms: Mapping[str, Transform]) -> list[str]:
    """Return the transforms that come close to the best on some of the samples, and are better than none there."""
    n = _count_screened(len(probe.samples))
    answers = {name: _answer(probe, transform, n, np.any) for name, transform in transforms.items()}
    now = probe.correct[:n].mean()
    rates = {name: right.mean() for name, right in answers.items() if right is not None and right.mean() > now}
    close = [name for name in rates if rates[name] >= max(rates.values()) - MAX_BEHIND]
    return sorted(close, key=rates.__getitem__, reverse=True)[:FINALISTS]


def _find_right(probe: ModelProbe, transform: Transform, transforms: int) -> Flags | None:
    """Mark the samples that are right with a transform, (n,); None if it cannot be one of so many that is enough."""

    def is_worth(fixed: Flags) -> bool:
        return _is_enough(probe, probe.correct | fixed, transforms)

    return _answer(probe, transform, len(probe.samples), is_worth)


def _answer(probe: ModelProbe, transform: Transform, n: int, is_worth: Callable[[Flags], Any]) -> Flags | None:
    """Mark those of the first n samples that are right with a transform, (n,).

    Those that are wrong without it are asked first; None if what it mends of these is not worth asking the others.
    """
    samples, correct = probe.samples, probe.correct[:n]
    right = np.zeros_like(correct)
    for rows in (np.flatnonzero(~correct), np.flatnonzero(correct)):
        if len(rows):
            right[rows] = probe.judge(probe.ask(transform(samples.x[rows])), samples.y[rows])
        if not is_worth(right):
            return None
    return right
