"""more-steps-pay: with twice the steps, from other starts, the row's attack breaks more."""

from dataclasses import fields

from robust.attacks.factory import make
from robust.attacks.spec import Spec
from robust.records.trust import Finding
from robust.trust.attack_probe import MAX_SPECS, AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import OURS, significant, whole

SAMPLES = 160
WORK = 8000  # gradients, at most: a long attack is tried on fewer samples
AFTER_ONE, STEPS = "pgd:steps=10", 10  # what comes after a single step
ROUNDS = ("restarts", "targets", "odi")  # one round is enough: it starts elsewhere


@INDICATORS.register("more-steps-pay")
def more_steps_pay(trial: AttackProbe) -> Finding | None:
    """An attack that has come to its end gains nothing from more steps or restarts (1902.06705)."""
    whole(trial)
    word, steps = max((longer(trial, word) for word in trial.white[:MAX_SPECS]), key=lambda found: found[1])
    trial = trial.first(min(SAMPLES, WORK // steps))
    won, m = int(trial.measure(word, trial.standing, seed=1).adversarial.sum()), len(trial.samples)
    if not significant(won, m):
        return None
    told = f"{word} from other starts broke {won} of {m} samples that the row's attacks left; expected none"
    hint = "take more steps or restarts; --robust-suite=standard-1 does"
    return Finding("more-steps-pay", "suspect", won / m, told, hint, weak=True)


def longer(trial: AttackProbe, word: str) -> tuple[str, int]:
    """(the attack with twice its steps, how many these are); one that takes no number of steps as it is."""
    spec = Spec.parse(word)
    for option in ROUNDS:
        spec = spec.without(option)
    attack = make(spec, trial.load)
    steps = getattr(attack, "steps", 1)
    own = getattr(attack, "attack", attack)  # within what takes means over draws
    if "steps" in (field.name for field in fields(own)):  # type: ignore[arg-type]
        options = (*spec.without("steps").options, ("steps", 2 * steps))
        return str(Spec(spec.name, spec.args, tuple(sorted(options)))), 2 * steps
    return (AFTER_ONE, STEPS) if type(own).__module__.startswith(OURS) else (str(spec), steps)
