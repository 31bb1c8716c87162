"""Check the curve of a published row: its nearest inputs, and its certified radii."""

import numpy as np

from robust.attacks.threats.threat import read_threat
from robust.commands.row_check import Check, Row
from robust.commands.verify_bounds import prove_again
from robust.evaluation.attack_run import candidates_of
from robust.records.curve import Curve
from robust.records.radii import Radii
from robust.verification.check import describe_faults, verify
from robust.verification.distances import flatten, measure_norm, row_chunks


def check_curve(row: Row, curve: Curve) -> Check:
    """Check the nearest inputs of the curve: the model's answers to them, and their distances."""
    x_adv, at = row.evidence.near, row.evidence.near_row
    assert x_adv is not None
    assert at is not None
    samples, end = row.samples.take(at), read_threat(curve.end, row.dataset.lo, row.dataset.hi)
    candidates = candidates_of(samples, x_adv, end, row.batch)
    verification = verify(row.module, candidates)
    measured = np.concatenate(
        [
            np.zeros(0),
            *(measure_norm(curve.norm, flatten(x_adv[k]) - flatten(samples.x[k])) for k in row_chunks(len(at))),
        ]
    )
    other = int((np.abs(measured - curve.distance[at]) > 1e-6 * measured).sum())
    verified = int((verification.fault == 0).sum())
    text = f"{verified} of {len(at)} nearest inputs are adversarial up to {curve.end}"
    edge = f"{verification.edge} so nearly that rounding decides" if verification.edge else ""
    wrong = f"{other} at another distance than recorded" if other else ""
    faults = describe_faults(verification.wrong)
    return Check("curve", not (verification.wrong.any() or other), ", ".join(filter(None, (text, edge, wrong, faults))))


def check_radii(row: Row, curve: Curve, radii: Radii) -> Check:
    """Compute the bounds within the certified radii again."""
    try:
        proved, near = prove_again(
            row.module, row.samples, read_threat(curve.end, row.dataset.lo, row.dataset.hi), radii
        )
    except ValueError as error:
        return Check("radii", False, f"cannot be computed again: {error}")
    lost, contradicted = int((~proved & ~near).sum()), int(curve.contradicted.sum())
    text = f"{proved.sum()} of {len(proved)} certified radii are proved again, by {radii.method} or cheaper"
    edge = f", {near.sum()} so nearly that rounding decides" if near.any() else ""
    faults = [f"{lost} are not"] * bool(lost)
    faults += [f"{contradicted} are beyond an adversarial distance, of which one is wrong"] * bool(contradicted)
    return Check("radii", not faults, "; ".join([text + edge, *faults]))
