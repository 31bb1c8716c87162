"""blur: a gradient that changes from place to place is sought as a mean over a neighbourhood.

A mitigation of Pintor et al. 2022 (2106.09947), and how k-WTA fell (Tramer et al. 2020, 2002.08347).
"""

from dataclasses import replace

from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack

SHARE = 0.5  # of the ball


@MITIGATIONS.register("blur")
def blur(plight: Context, search: MitigatedAttack) -> MitigatedAttack:
    """Everywhere: whether a gradient is of use further away shows when it is followed."""
    del plight
    return replace(search, blur=SHARE)
