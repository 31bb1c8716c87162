"""The same inputs, shown again, are answered differently: something in the model is drawn at random."""

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import ModelProbe


@PREFLIGHT.register("nondeterministic")
def nondeterministic(look: ModelProbe) -> Finding | None:
    """AutoAttack's check for randomised defences shows one batch several times (2003.01690); so does this.

    Each time with another seed: a model that draws would otherwise draw the same again.
    """
    if look.steady:
        return None
    told = f"logits of the same inputs differ by up to {look.unrest:.2g} times their range"
    hint = "take out what is random, or attack the mean, as pgd:eot=20"
    return Finding("nondeterministic", "broken", look.unrest, told, hint)
