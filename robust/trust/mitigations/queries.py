"""queries: where no gradient is of use, a random search needs none (Square, 1912.00049)."""

from dataclasses import replace

from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack

MOST = 1000


@MITIGATIONS.register("queries")
def queries(plight: Context, search: MitigatedAttack) -> MitigatedAttack | None:
    """Everywhere but for l1, which Square is not for."""
    fits = all(part.norm != "l1" for part in plight.threat.parts)
    return replace(search, queries=MOST) if fits else None
