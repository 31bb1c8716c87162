"""The rows of a run against its threat models: what no attack under them could begin with is refused in one line."""

import numpy as np

from robust.attacks.grammar.features import tables_of
from robust.attacks.threats.corruption import CorruptionThreat
from robust.attacks.threats.patch import PatchThreat
from robust.attacks.threats.pixels import PixelThreat
from robust.attacks.threats.transform import Transform
from robust.data.tables import check_table
from robust.session.data import RunData
from robust.verification.tables import find_violations


def check_rows(data: RunData, threat: str) -> None:
    """Raise ValueError if a table's file does not fit the data: other columns, or a constraint that no row keeps.

    And for inputs that a patch does not fit, that cannot be transformed or corrupted, or may change in every pixel; and
    for missing values under any other one, which has no place for them.
    """
    if data.dataset.layout is not None:
        return
    for part in data.read_threat(threat).parts:
        if isinstance(part, PatchThreat | PixelThreat | Transform | CorruptionThreat):
            part.check_shape(data.samples.x.shape[1:])
    tables, samples = tables_of(threat), data.samples
    if not tables and not data.dataset.missing:
        return
    x = samples.x[:]
    gaps = np.isnan(x).any(tuple(range(1, x.ndim)))
    for word, content in tables.items():
        check_table(data.dataset, word)
        for constraint, broken in find_violations(content, x).items():
            if broken[~gaps].all():
                raise ValueError(f"none of the {len(samples)} rows keeps {constraint}: correct the file, or the data")
    if len(tables) < len(threat.split("+")) and gaps.any():
        raise ValueError("the data have missing values, which only a table's file (features:FILE.toml) keeps missing")
