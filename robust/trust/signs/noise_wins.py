"""noise-wins: random noise breaks samples that the attacks left standing."""

from robust.trust.catalogue import SIGNS
from robust.trust.doubt import Doubt
from robust.trust.signs._shared import beaten
from robust.trust.trial import Trial

DRAWS = 20


@SIGNS.register("noise-wins")
def noise_wins(trial: Trial) -> Doubt | None:
    """An attack that random search beats is a sign of masked gradients (1802.00420, 1902.06705)."""
    won, m, too_many = beaten(trial, f"noise:steps={DRAWS}")
    if not too_many:
        return None
    told = f"{DRAWS} draws of random noise broke {won} of {m} samples, and the row's attacks did not; expected none"
    return Doubt("noise-wins", "broken", won / m, told, "the gradients are masked; attack it without, as by square")
