"""randomised: the model draws at random, and gradients that are means over draws find more."""

from robust.attacks.spec import Spec
from robust.trust.catalogue import SIGNS
from robust.trust.doubt import Doubt, NotApplicable
from robust.trust.signs._shared import beaten
from robust.trust.trial import Trial

SAMPLES, DRAWS = 64, 10
ATTACK = f"pgd:eot={DRAWS}:loss=margin:steps=10:stride=1:last=0.01"
MOST = 1e-3  # of the answers' size: kernels on a GPU add in any order, far below this


@SIGNS.register("randomised")
def randomised(trial: Trial) -> Doubt | None:
    """One draw's gradient is noise to the next: a mean over draws is what to follow (1707.07397, 1802.00420)."""
    _ = trial.white
    first, second = (trial.answers(seed) for seed in (0, 1))
    apart = float((first - second).abs().max() / first.abs().max().clamp_min(1e-12))
    if apart <= MOST:
        return None
    won, m, too_many = beaten(trial.first(SAMPLES), ATTACK)
    hint = f"take means over draws, as by pgd:eot={DRAWS}"
    if too_many:
        told = f"the answers are drawn at random, and means over {DRAWS} draws broke {won} of {m} samples more"
        return Doubt("randomised", "broken", won / m, f"{told}; expected none", hint)
    if any("eot" in dict(Spec.parse(word).options) for word in trial.white):
        return None
    told = f"the same inputs were answered up to {apart:.2g} apart, of the largest answer; expected at most {MOST:g}"
    return Doubt("randomised", "suspect", apart, told, hint)
