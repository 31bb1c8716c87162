"""Samples whose input could not be verified: they count as robust, and a test with more than a few of them fails."""

import numpy as np

from robust.attacks.state import list_written, name_few
from robust.session.case import Case, fail
from robust.verification.check import LARGE, NOT_MADE, OUTSIDE, RIGHT_ALONE, Faults, describe_faults

MAX_UNVERIFIED = 0.005  # of the samples: more than float32 rounding in another batch explains


def check_unverified(case: Case, fault: Faults, measured: str) -> None:
    """Count a sample whose input could not be verified as robust; fail the test if those are more than a few."""
    unverified, n = int((fault > 0).sum()), len(fault)
    by_batch = int((fault >= RIGHT_ALONE).sum())  # expected of a model that is quantised by the batch
    refuted = f"were not adversarial when their inputs were shown again ({describe_faults(fault)})"
    if unverified - by_batch > MAX_UNVERIFIED * n:
        outside = np.isin(fault, (LARGE, OUTSIDE, NOT_MADE)).any()
        cause = (
            "the attack leaves its threat model"
            if outside
            else "the model's answers are random, or depend on the batch, and no figure can be trusted"
        )
        if (written := list_written(case.module)) and not outside:
            cause += f"; its forward writes {name_few(written)}"
        fail(f"{measured}: {unverified} of {n} samples {refuted}: {cause}")
    if unverified:
        case.warn(f"{measured}: {unverified} samples {refuted}; they count as robust")
