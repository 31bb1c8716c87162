"""What the signs share: when a count is one too many, and what they run once more of the row's attacks."""

from robust.attacks.engine import AnyAttack
from robust.attacks.factory import make
from robust.attacks.threat import Threat
from robust.stats import above
from robust.trust.doubt import NotApplicable
from robust.trust.trial import MOST_WORDS, Trial

SHARE = 0.005  # of the samples: what by luck falls to a weaker attack alone; many published ranks hang on no more
OURS = "robust.attacks.zoo."  # where an attack's steps are the driver's, which judges every iterate
ALARM = 0.0005  # of a comparison to err; there are fewer than 20, so one honest model in a hundred may be doubted


def significant(k: int, m: int, share: float = SHARE) -> bool:
    """Whether k of m samples are more than that share of them, by an exact binomial test."""
    return k > 0 and above(k, m, share) < ALARM


def whole(trial: Trial) -> None:
    """NotApplicable where the row's attacks did not come to their end: then anything may find more."""
    if trial.partial:
        raise NotApplicable("the row's attacks were stopped before their end")


def beaten(trial: Trial, attack: str | AnyAttack, threat: Threat | None = None, seed: int = 0) -> tuple[int, int, bool]:
    """(samples that the attack broke of those that the row's left, samples in all, whether that is too many)."""
    whole(trial)
    won = int(trial.measure(attack, trial.standing, threat, seed).broken.sum())
    return won, len(trial.samples), significant(won, len(trial.samples))


def iterated(trial: Trial) -> tuple[str, ...]:
    """The first of the row's attacks that take many steps along a gradient; NotApplicable where none does."""
    found = [word for word in trial.white if getattr(make(word, trial.load), "steps", 2) > 1]
    if not found:
        raise NotApplicable("no attack of the row takes many steps")
    return tuple(found[:MOST_WORDS])
