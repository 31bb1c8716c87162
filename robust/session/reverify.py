"""Verify the inputs of a row again, in a fresh process that loads the model again."""

from typing import Any

from robust.records.evidence import Evidence
from robust.records.record import Record
from robust.session.data import RunData
from robust.session.payload import ItemPayload
from robust.verification.candidates import Candidates
from robust.verification.check import describe_faults
from robust.verification.fresh_process import NotDoneError, verify_afresh


class UnverifiedError(Exception):
    """A fresh process found inputs of a row not to be adversarial: in one line which row, and what is wrong."""


def reverify(data: RunData, n_inputs: int, payload: ItemPayload, record: Record, evidence: Evidence) -> dict[str, Any]:
    """Verify at most `n_inputs` inputs of a row; `payload` is of one of its tests.

    Returns what the row's provenance says of it: how many were verified, or why none was. Raises UnverifiedError if
    one is not adversarial.
    """
    few, setup = evidence.draw(n_inputs, record.seed), payload.setup
    if not len(few.row):
        return {"fresh": 0}
    try:
        if isinstance(setup.source, str):
            raise NotDoneError(setup.source)
        if data.samples.digest != record.data.digest:
            raise NotDoneError("the samples are the test's own")
        if record.trust and any(finding.name == "nondeterministic" for finding in record.trust.findings):
            raise NotDoneError("the model draws at random")
        candidates = Candidates(
            x_adv=few.x_adv,
            x=data.samples.x[few.row],
            y=few.y[few.row],
            threat=record.threat,
            bounds=(data.dataset.lo, data.dataset.hi),
            batch=setup.batch,
        )
        verification = verify_afresh(setup.source, candidates, record.model.weights)
    except NotDoneError as error:
        return {"fresh": 0, "reason": str(error)}
    if verification.wrong.any():
        raise UnverifiedError(
            f"{record.model.name} ({record.model.training}), {record.threat}: of {len(few.row)} inputs that were shown "
            f"to the model loaded again in a fresh process, {describe_faults(verification.wrong)}; the row was not "
            "filed, for its figures are of this process alone"
        )
    return {"fresh": len(few.row), "edge": verification.edge}
