"""expectation: gradients of a random model are averaged over draws (Athalye et al. 2018, 1707.07397)."""

from dataclasses import replace

import torch

from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack

DRAWS = 20


@MITIGATIONS.register("expectation")
def expectation(context: Context, attack: MitigatedAttack) -> MitigatedAttack | None:
    """Average over DRAWS if the same inputs, shown twice, get different answers."""
    with torch.no_grad():
        same = attack.model(context.x.clone()).equal(attack.model(context.x.clone()))
    return None if same else replace(attack, draws=DRAWS)
