"""A test whether a model answers better on transformed inputs: then it was trained on inputs of another form."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

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
    if not transforms or (not before and _is_good(probe)):
        return before
    n = len(probe.samples)
    return before + probe.count_passes("noise") + transforms * _count_screened(n) + FINALISTS * n


def _count_screened(n: int) -> int:
    return min(n, max(MIN_SCREENED, min(MAX_SCREENED, n // 4)))


def _is_good(probe: ModelProbe) -> bool:
    """Whether the model's accuracy is such that no transform could improve it enough."""
    return bool(probe.correct.mean() > 1 - MIN_GAIN)


def find_improvement(probe: ModelProbe, transforms: Mapping[str, Transform]) -> Improvement | None:
    """Return the best of the transforms if it improves the accuracy by MIN_GAIN at least, and significantly.

    Of several that do about equally well it is the first.
    """
    samples, correct = probe.samples, probe.correct
    # A transform that drowns a model's own noise improves it, and is no sign of a mistake.
    if not transforms or _is_good(probe) or not probe.deterministic:
        return None
    n = _count_screened(len(samples))
    x, y = samples.x[:n], samples.y[:n]
    rates = {name: probe.judge(probe.ask(transform(x)), y).mean() for name, transform in transforms.items()}
    least, now = max(rates.values()) - MAX_BEHIND, correct[:n].mean()
    close = [name for name in rates if rates[name] >= least and rates[name] > now]
    if not close:
        return None
    finalists = sorted(close, key=rates.__getitem__, reverse=True)[:FINALISTS]
    asked = {name: probe.ask(transforms[name](probe.x)) for name in rates if name in finalists}
    answers = {name: probe.judge(logits, samples.y) for name, logits in asked.items()}
    most = max(right.mean() for right in answers.values())
    best = next(name for name, right in answers.items() if right.mean() >= most - TIE)
    transformed = answers[best]
    gain = float(transformed.mean() - max(correct.mean(), probe.majority))
    if gain < MIN_GAIN or mcnemar(transformed, correct) * len(transforms) > MAX_P_VALUE:
        return None
    now, then = 100 * correct.mean(), 100 * transformed.mean()
    message = f"clean accuracy is {now:.1f} %, and {then:.1f} % with the inputs {best}; expected no gain"
    return Improvement(best, gain, message, "broken" if gain > BROKEN_GAIN else "suspect")
