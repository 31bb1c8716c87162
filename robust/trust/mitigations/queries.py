"""queries: random search needs no gradient at all (Square, 1912.00049)."""

from dataclasses import replace

from robust.trust.checks import any_criterion
from robust.trust.mitigated_attack import MITIGATIONS, Context, MitigatedAttack

MAX_QUERIES = 1000


@MITIGATIONS.register("queries")
@any_criterion
def queries(context: Context, attack: MitigatedAttack) -> MitigatedAttack | None:
    """Add Square for every model, except under l1, which Square does not support."""
    supported = all(part.norm != "l1" for part in context.threat.parts)
    return replace(attack, queries=MAX_QUERIES) if supported else None
