"""Verify the inputs of a row again, in a fresh process that loads the model again.

What a row says of it is a finding, unless it was done: that it could not be done must not look like a success.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from robust.records.evidence import Evidence
from robust.records.record import Record
from robust.records.trust import VERDICTS, Finding, Verdict, worst
from robust.session.data import RunData
from robust.session.payload import ItemPayload
from robust.trust.model_probe import measure_change
from robust.verification.candidates import Candidates
from robust.verification.check import describe_faults
from robust.verification.fresh_process import NotDoneError, Source, verify_afresh
from robust.verification.nearby import draw_nearby

NAME = "fresh-process"  # of the finding
MAX_CHANGE = 0.03  # of the logits' range; another batch rounds otherwise, see depends-on-batch


class UnverifiedError(Exception):
    """A fresh process found inputs of a row not to be adversarial: in one line which row, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Reverified:
    """The result for a row: what its provenance says, and a finding if no input could be shown to the model."""

    provenance: dict[str, Any]
    finding: Finding | None = None


# Of a run that files no row: no input waits for one, and no verdict outlives the run.
UNFILED = Reverified({"fresh": 0, "reason": "there is no leaderboard, for whose rows this is done"})


def reverify(
    data: RunData,
    n_inputs: int,
    payload: ItemPayload,
    record: Record,
    evidence: Evidence,
    logits: Sequence[Sequence[float]] | None = None,
) -> Reverified:
    """Verify at most `n_inputs` inputs of a row, and compare the answers to others; `payload` is of one of its tests.

    `logits` are this process's answers to the inputs of `draw_nearby`, (k, classes), after the attacks. Raises
    UnverifiedError if an input is not adversarial.
    """
    logits = None if record.draws else logits  # random answers are not the same in another process
    few, setup = evidence.draw_any(n_inputs, record.seed), payload.setup
    if not n_inputs or not (len(few.row) or record.has_adversarial or logits):
        return Reverified({"fresh": 0})
    if why := _find_obstacle(data, payload, record):
        return _not_done(why, "trusted", "the verdict is without this check; --robust-fresh=0 asks for none")
    assert isinstance(setup.source, Source)
    candidates = Candidates(
        x_adv=few.x_adv,
        x=data.samples.x[few.row],
        y=few.y[few.row],
        threat=record.threat if record.curve is None else record.curve.end,  # the larger ball, which holds the other
        bounds=(data.dataset.lo, data.dataset.hi),
        batch=setup.batch,
        criterion=data.criterion,
        tables=record.tables,
        layout=data.samples.layout_text,
        theta=few.take_theta([attack.columns for attack in record.attacks]),
        pictures=data.samples.find_resized(record.threat),
    )
    try:
        nearby = draw_nearby(data.samples, record.threat, candidates.bounds, record.seed) if logits else None
        verification, answers = verify_afresh(setup.source, candidates, record.model.weights, nearby, data.spelling)
    except NotDoneError as error:
        hint = "make it load in any process as in this one; --robust-fresh=0 asks for no such check"
        return _not_done(str(error), "suspect", hint)
    if verification.wrong.any():
        raise UnverifiedError(
            f"{record.model.name} ({record.model.training}), {record.threat}: of {len(few.row)} inputs that were shown "
            f"to the model loaded again in a fresh process, {describe_faults(verification.wrong)}; the row was not "
            "filed, for its figures are of this process alone"
        )
    provenance = {"fresh": len(few.row), "edge": verification.edge}
    if logits is None or answers is None:
        return Reverified(provenance)
    change = measure_change(torch.tensor(logits, dtype=torch.float64), torch.from_numpy(answers))
    return Reverified(provenance, _describe_change(change, len(answers)) if change > MAX_CHANGE else None)


def _describe_change(change: float, n: int) -> Finding:
    seen = f"a fresh process, which had seen no sample, answers inputs near {n} of them otherwise: the logits differ"
    message = f"{seen} by up to {change:.2g} times their range; expected at most {MAX_CHANGE:g}"
    hint = "let the answer depend on the input alone: on no counter, clock, cache, or what was asked before"
    return Finding(NAME, "broken", change, message, hint)


def _find_obstacle(data: RunData, payload: ItemPayload, record: Record) -> str:
    """Return what hinders the check though nothing is at fault, since the user chose it; "" if nothing does.

    The finding is then a note, which does not count.
    """
    if isinstance(payload.setup.source, str):
        return payload.setup.source
    if data.samples.digest != record.data.digest:
        return "the samples are the test's own"
    if not record.draws and record.trust and record.trust.has("nondeterministic"):
        return "the model draws at random"
    return ""


def _not_done(reason: str, grade: str, hint: str) -> Reverified:
    message = f"no input was shown to the model in a fresh process: {reason}"
    return Reverified({"fresh": 0, "reason": reason}, Finding(NAME, grade, None, message, hint))


def judge_reverified(record: Record, allowed: Verdict | None) -> list[str]:
    """Return a line if the finding on a row is worse than the verdict that the user allows.

    The row's tests have ended by then: test_trust judges all the other findings.
    """
    findings = [finding for finding in (record.trust.findings if record.trust else ()) if finding.name == NAME]
    who = f"{record.model.name} ({record.model.training}), {record.threat}"
    return [
        f"{who}: {finding.grade}, and --robust-verdict={allowed}: {finding.message}; {finding.hint}"
        for finding in findings
        if allowed and VERDICTS.index(worst([finding])) > VERDICTS.index(allowed)
    ]
