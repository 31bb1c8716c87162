"""expectation: gradients of a model that draws are means over draws (Athalye et al. 2018, 1707.07397)."""

from dataclasses import replace

import torch

from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack

DRAWS = 20


@MITIGATIONS.register("expectation")
def expectation(plight: Context, search: MitigatedAttack) -> MitigatedAttack | None:
    """Where the same inputs, shown twice, are answered differently."""
    with torch.no_grad():
        same = search.model(plight.x.clone()).equal(search.model(plight.x.clone()))
    return None if same else replace(search, draws=DRAWS)
