"""The numbers of queries in a record: what an attack asks at most follows from its steps, which stand in its name."""

import numpy as np

from robust.attacks.engine import rounds_of
from robust.attacks.factory import make
from robust.attacks.source_options import SURROGATE, WRAPPERS
from robust.attacks.spec import Spec
from robust.attacks.words import COUNTED
from robust.records.attack_outcome import AttackOutcome
from robust.records.queries import queries_of
from robust.settings.queries import count_queries

SINGLE = {*WRAPPERS, SURROGATE} - {"restarts"}  # options with which a step may be several queries


def find_wrong_queries(attack: AttackOutcome, threat: str) -> str:
    """Return what is wrong with the numbers of queries of an attack; "" where nothing is, or none are counted."""
    queries = queries_of(attack)
    if queries is None:
        return ""
    if float(queries[np.isfinite(queries)].max(initial=0)) > attack.asked:
        return "samples with more queries than any was asked"
    limit = _find_limit(attack.name, threat)
    if limit is not None and attack.asked > limit:
        return f"{attack.asked} queries of a sample, and {attack.name} makes at most {limit} under {threat}"
    return ""


def _find_limit(name: str, threat: str) -> int | None:
    """Return the most queries that an attack makes of a sample; None where its name does not say it."""
    spec = Spec.parse(name)
    if spec.name not in COUNTED or SINGLE.intersection(dict(spec.options)):
        return None
    try:
        return count_queries([part.steps for part, _ in rounds_of(make(name))], threat)
    except (ValueError, LookupError):  # of options that this version does not have
        return None
