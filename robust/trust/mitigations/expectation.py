"""expectation: gradients of a random model are averaged over draws (Athalye et al. 2018, 1707.07397)."""

from dataclasses import replace

import torch

from robust.trust.checks import any_criterion
from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack
from robust.trust.redrawn import Redrawn

DRAWS = 20


@MITIGATIONS.register("expectation")
@any_criterion
def expectation(context: Context, attack: MitigatedAttack) -> MitigatedAttack | None:
    """Average over DRAWS if the same inputs, shown twice, get different answers, or would but for a seed of its own."""
    redrawn = Redrawn(attack.model)
    with torch.no_grad():
        first, second, third = (model(context.x.clone()) for model in (attack.model, attack.model, redrawn))
    if not first.equal(second):
        return replace(attack, draws=DRAWS)
    return None if first.equal(third) else replace(attack, model=redrawn, draws=DRAWS)
