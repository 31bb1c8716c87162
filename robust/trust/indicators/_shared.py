"""What the signs share: when a count is one too many, and what they run once more of the row's attacks."""

from robust.attacks.engine import AnyAttack
from robust.attacks.factory import make
from robust.records.trust import Finding, NotApplicableError
from robust.stats import above
from robust.trust.attack_probe import MAX_SPECS, AttackProbe

SHARE = 0.005  # of the samples: what by luck falls to a weaker attack alone; many published ranks hang on no more
OURS = "robust.attacks.zoo."  # where an attack's steps are the driver's, which judges every iterate
ORDINARY = "pgd:loss=margin:steps=20:stride=1:last=0.01"
ALARM = 0.0005  # of a comparison to err; there are fewer than 20, so one honest model in a hundred may be doubted


def significant(k: int, m: int, share: float = SHARE) -> bool:
    """Whether k of m samples are more than that share of them, by an exact binomial test."""
    return k > 0 and above(k, m, share) < ALARM


def whole(trial: AttackProbe) -> None:
    """NotApplicableError where the row's attacks did not come to their end: then anything may find more."""
    if trial.partial:
        raise NotApplicableError("the row's attacks were stopped before their end")


def settled(trial: AttackProbe) -> None:
    """NotApplicableError where the model draws: then one attack finds by luck what another misses."""
    if trial.draws:
        raise NotApplicableError("the model draws at random")


def blind_wins(trial: AttackProbe, name: str, attack: str | AnyAttack, told: str) -> Finding | None:
    """The doubt where an attack that follows none of the model's gradients breaks what those that do leave.

    What an ordinary attack on the margin breaks too is no sign that gradients are masked, only of a row's weak attacks.
    """
    whole(trial)
    found, m = trial.measure(attack, trial.standing).adversarial, len(trial.samples)
    if trial.follows and significant(int(found.sum()), m):
        found = found & ~trial.measure(ORDINARY, found).adversarial
    won = int(found.sum())
    if not significant(won, m):
        return None
    if not trial.follows:  # then it says nothing of gradients
        told = f"{told} broke {won} of {m} samples that the row's attacks left; expected none"
        return Finding(name, "suspect", won / m, told, "the row's attacks ask too little; take more steps")
    told = f"{told} broke {won} of {m} samples that the row's attacks and {ORDINARY} left; expected none"
    return Finding(name, "broken", won / m, told, "the gradients are masked; use --robust-suite=full-1")


def iterated(trial: AttackProbe) -> tuple[str, ...]:
    """The first of the row's attacks that take many steps along a gradient; NotApplicableError where none does."""
    found = [word for word in trial.white if getattr(make(word, trial.load), "steps", 2) > 1]
    if not found:
        raise NotApplicableError("no attack of the row takes many steps")
    return tuple(found[:MAX_SPECS])
