"""blur: gradients that change from place to place are averaged over a neighbourhood.

A mitigation of Pintor et al. 2022 (2106.09947); it broke k-WTA (Tramer et al. 2020, 2002.08347).
"""

from dataclasses import replace

from robust.trust.checks import any_criterion
from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack

SHARE = 0.5  # of the ball


@MITIGATIONS.register("blur")
@any_criterion
def blur(context: Context, attack: MitigatedAttack) -> MitigatedAttack:
    """Add the blur for every model: only following a gradient shows whether it is of use further away."""
    del context
    return replace(attack, blur=SHARE)
