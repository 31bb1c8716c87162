"""The same inputs, shown again, are answered differently: something in the model is drawn at random."""

from robust.trust.catalogue import PREFLIGHT
from robust.trust.doubt import Doubt
from robust.trust.look import Look

LOOKS = 5
MOST = 1e-3  # of the answers' own size; kernels on a GPU add in any order, far below this


@PREFLIGHT.register("nondeterministic")
def nondeterministic(look: Look) -> Doubt | None:
    """AutoAttack's check for randomised defences shows a batch five times (2003.01690); so does this."""
    first, *others = (look.logits(look.x, seed) for seed in range(LOOKS))
    apart = max(float((other - first).abs().max()) for other in others) / max(float(first.abs().max()), 1e-12)
    if apart <= MOST:
        return None
    told = f"the same inputs were answered up to {apart:.2g} apart, of the largest answer; expected at most {MOST:g}"
    return Doubt("nondeterministic", "broken", apart, told, "attack it with eot, as pgd:eot=20, and fix its seed")
