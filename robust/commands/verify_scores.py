"""Check the mean scores of a published row: the model answers the samples, and the inputs of the evidence, again."""

from typing import Any

import numpy as np

from robust.attacks.criteria.registry import find_criterion
from robust.commands.row_check import Check, Row
from robust.records.record import Scores
from robust.verification.check import check_scores

SLACK = 1e-3  # of a mean: what rounding may change, also by a pixel or a label on the edge


def compare_scores(row: Row) -> Check | None:
    """Compare the mean score without an attack, and hold what is recorded under attack to the inputs that are here.

    Those of samples without an input here cannot be had again; none may be better than without an attack. None is
    returned for rows without scores, and for random answers, whose scores are drawn.
    """
    record, worst = row.record, row.record.worst_score
    criterion = find_criterion(record.criterion["name"])
    if record.score is None or record.draws or criterion is None:
        return None
    held, sign = row.candidates, 1.0 if criterion.rises else -1.0
    clean = check_scores(row.module, row.samples.x, row.samples.y, row.batch, row.samples.criterion)[:, 0]
    shown = check_scores(row.module, held.x_adv, held.y, row.batch, row.samples.criterion)[:, 0]
    faults = ["the mean is another"] * _differs(abs(np.nanmean(clean) - np.nanmean(record.score)), clean)
    if worst is not None:
        at = row.evidence.row
        better, eased = (
            sign * np.nanmean(shown - worst[at]) if len(at) else 0.0,
            sign * np.nanmean(record.score - worst),
        )
        faults += ["the inputs here are worse than recorded under attack"] * _differs(better, shown)
        faults += ["it is recorded as better under attack"] * _differs(eased, clean)
    text = f"mean {np.nanmean(clean):.5g} without an attack, recorded {np.nanmean(record.score):.5g}"
    return Check("scores", not faults, "; ".join([text, *faults]))


def _differs(by: "np.floating[Any] | float", scores: Scores) -> bool:
    """Whether a difference of means is above 0 by more than rounding may change in scores like these."""
    return len(scores) > 0 and bool(by > SLACK * np.nanmean(np.abs(scores)))
