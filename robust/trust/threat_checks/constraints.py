"""constraints: some clean rows break a constraint of the table's file: the file, or the data, is wrong."""

import numpy as np

from robust.attacks.grammar.features import tables_of
from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import THREAT_CHECKS, any_criterion
from robust.trust.threat_probe import ThreatProbe
from robust.verification.tables import find_violations

LISTED = 5  # rows, by their numbers in the split


@THREAT_CHECKS.register("constraints")
@any_criterion
def constraints(probe: ThreatProbe) -> Finding | None:
    """Check that the clean rows keep what an attacker must keep; NotApplicableError for other threat models.

    What an attacker does not touch is not held to the file, so such a row is attacked like any other. But where real
    rows break a rule an attacker may, too, and the figure is too high.
    """
    tables = tables_of(str(probe.threat))
    if not tables:
        raise NotApplicableError("the threat model is of no table")
    broken = {text: rows for content in tables.values() for text, rows in _find(content, probe).items()}
    if not broken:
        return None
    either, (worst, rows) = np.any([*broken.values()], axis=0), max(broken.items(), key=lambda item: item[1].sum())
    numbers = [str(number) for number in probe.samples.index[rows]]
    more = f" and {len(numbers) - LISTED} more" if len(numbers) > LISTED else ""
    seen = f"{int(either.sum())} of {len(either)} clean rows break constraints"
    message = f"{seen}, most often {worst}: rows {', '.join(numbers[:LISTED])}{more}; expected none"
    hint = "correct the file, or leave such rows out of the data"
    return Finding("constraints", "suspect", float(either.mean()), message, hint)


def _find(content: str, probe: ThreatProbe) -> dict[str, np.ndarray]:
    return find_violations(content, probe.samples.x[:])
