"""Random noise breaks samples that the attacks left standing: they cannot have looked where they should."""

from robust.trust.catalogue import SIGNS
from robust.trust.doubt import Doubt
from robust.trust.trial import Trial

DRAWS = 20
MOST = 0.005  # of the samples


@SIGNS.register("noise-wins")
def noise_wins(trial: Trial) -> Doubt | None:
    """A gradient-based attack that random search beats is a sign of masked gradients (1802.00420, 1902.06705)."""
    found = trial.measure(f"noise:steps={DRAWS}", trial.standing)
    won = int(found.broken.sum())
    share = won / len(trial.samples)
    if share <= MOST:
        return None
    told = f"random noise broke {won} of {len(trial.samples)} samples that the attacks left; expected none"
    return Doubt("noise-wins", "broken", share, told, "the gradients are masked; run a suite, as --robust-suite=full-1")
