"""The report of `robust train --report`: where it goes, and its making."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robust.attacks.threats.threat import Part
from robust.distributed.ranks import Ranks
from robust.train.cache import Trained
from robust.train.report.write import choose_place, refuse_place, write_report
from robust.train.validate import SELECTION_ATTACK


@dataclass(frozen=True, slots=True)
class ReportOrder:
    """An order to report on a training."""

    file: Path | None  # None: beside the weights

    def make(self, trained: Trained, threat: Part, seed: int, ranks: Ranks) -> Path:
        """Look at what was trained, on the first rank, and return the path of the report on it."""
        path = choose_place(trained, self.file)
        if ranks.first:
            n = f"{len(trained.selection):,} validation samples"
            sys.stderr.write(f"report: one pass over {n}, and one attack of {SELECTION_ATTACK.steps} steps\n")
        ranks.once(lambda: _refuse(path))  # beside the weights anything may be
        ranks.once(lambda: write_report(trained, threat, seed, path))
        return path


def _refuse(path: Path) -> None:
    try:
        refuse_place(path)
    except ValueError as error:
        raise ValueError(f"--report={path}: {error}") from error


def read_report(text: str | None, weights: Path | None, recipes: Sequence[str]) -> ReportOrder | None:
    """Return the order that --report gives; "" is beside the weights. ValueError, in one line, for a wrong place."""
    if text is None:
        return None
    file = Path(text) if text else None
    if file is not None and len(recipes) > 1:
        raise ValueError(f"--report={file}: {len(recipes)} recipes make as many reports; leave the name out")
    place = file or (weights and weights.with_suffix(".html"))
    if place is not None and (file is not None or os.path.lexists(place)):
        _refuse(place)
    return ReportOrder(file)
