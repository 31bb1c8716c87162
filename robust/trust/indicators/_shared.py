"""Helpers that indicators share: the test of significance, the requirements, and the comparison with other attacks."""

from collections.abc import Sequence

from robust.attacks.engine import AnyAttack, rounds_of
from robust.attacks.factory import make
from robust.attacks.threats.transform import transforms
from robust.flags import Flags
from robust.models.answering import draws_of
from robust.models.twinned import is_twinned
from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import MAX_ATTACKS, MAX_LINEAR_SAMPLES, MAX_TRACED_SAMPLES, AttackProbe
from robust.trust.pass_share import GRADIENT_PASSES
from robust.trust.row_probe import ORDINARY
from robust.trust.significance import is_significant

OWN_ATTACKS = "robust.attacks.zoo."  # of these the driver judges every iterate


def require_complete(probe: AttackProbe) -> None:
    """Raise NotApplicableError if the row's attacks were stopped: then any attack may find more."""
    if probe.partial:
        raise NotApplicableError("the row's attacks were stopped before their end")


def require_robust(probe: AttackProbe) -> None:
    """Raise NotApplicableError if no sample is robust: a figure of 0 is not too high, whatever fooled the attacks."""
    if not probe.robust.any():
        raise NotApplicableError("no sample is robust")


def require_free(probe: AttackProbe) -> None:
    """Raise NotApplicableError if the user's attack keeps features fixed: the attacks of checks would move these."""
    if probe.fixed:
        raise NotApplicableError(f"the row's attack leaves {probe.fixed} features as they are")


def require_untransformed(probe: AttackProbe) -> None:
    """Raise NotApplicableError where inputs are transformed: there the loss has many maxima, of honest models, too.

    So a step to the end of the range may find what many small ones pass by (1712.02779).
    """
    if transforms(probe.threat):
        raise NotApplicableError("the loss has many maxima where inputs are transformed (1712.02779)")


def require_own_gradient(probe: AttackProbe) -> None:
    """Raise NotApplicableError for a packed network that is attacked through its float twin.

    It is constant along short steps, and its gradient is of another network on purpose; what counts is its own answer.
    """
    if is_twinned(probe.module):
        raise NotApplicableError("the gradient is that of the float twin")


def require_deterministic(probe: AttackProbe) -> None:
    """Raise NotApplicableError for a randomised model: on it one attack finds by luck what another misses."""
    if probe.randomised:
        raise NotApplicableError("the model is random")


def require_steady(probe: AttackProbe) -> None:
    """Raise NotApplicableError if answers are formed of random draws: one draw is another at the same input, too."""
    if draws_of(probe.module):
        raise NotApplicableError("the model's answers are formed of random draws")


def compare_gradient_free(probe: AttackProbe, name: str, attack: str | AnyAttack, description: str) -> Finding | None:
    """Report the finding `name` if an attack without the model's gradients finds what the row's attacks miss.

    Samples that an ordinary attack on the margin breaks, too, do not count: they show weak attacks, not masked
    gradients. `description` names the attack in the message.
    """
    require_complete(probe)
    require_free(probe)
    m = len(probe.samples)

    def count_masked(adversarial: Flags) -> int:
        if probe.gradient_attacks and is_significant(int(adversarial.sum()), m):
            adversarial = adversarial & ~probe.find_ordinary(adversarial)
        return int(adversarial.sum())

    count = count_masked(probe.find(attack, lambda found: is_significant(count_masked(found), m)))
    if not is_significant(count, m):
        return None
    seen = f"{description} found adversarial examples for {count} of {m} samples"
    if not probe.gradient_attacks:  # then the finding shows nothing about gradients
        message = f"{seen} that the row's attacks left robust; expected none"
        hint = "the row's attacks query the model too little; take more steps"
        return Finding(name, "suspect", count / m, message, hint)
    message = f"{seen} that the row's attacks and {ORDINARY} left robust; expected none"
    return Finding(name, "broken", count / m, message, "the gradients are masked; use --robust-suite=full-1")


def choose_iterated(probe: AttackProbe) -> tuple[str, ...]:
    """Return the first of the row's attacks that take many steps along a gradient; NotApplicableError without any."""
    attacks = probe.require_gradient_attacks()
    iterated = [spec for spec in attacks if getattr(make(spec, probe.load), "steps", 2) > 1]
    if not iterated:
        raise NotApplicableError("no attack of the row takes many steps")
    return tuple(iterated[:MAX_ATTACKS])


def count_attack_passes(probe: AttackProbe, specs: Sequence[str] | None = None) -> int:
    """Count the passes of one sample in attacks; by default in those of the row that indicators run again."""
    chosen = probe.require_gradient_attacks()[:MAX_ATTACKS] if specs is None else specs
    rounds = (attack for spec in chosen for attack, _ in rounds_of(make(spec, probe.load)))
    return sum(GRADIENT_PASSES * attack.steps for attack in rounds)


def count_trace_passes(probe: AttackProbe) -> float:
    """Count the passes for the probe's `traces`; none if they were recorded."""
    return 0 if "traces" in vars(probe) else count_attack_passes(probe) * probe.first_robust(MAX_TRACED_SAMPLES).sum()


def count_linearity_passes(probe: AttackProbe) -> float:
    """Count the passes for the probe's `linearity`; none if it was measured."""
    if "linearity" in vars(probe):
        return 0
    return 2 * (GRADIENT_PASSES + 1) * float(probe.first_robust(MAX_LINEAR_SAMPLES).sum())
