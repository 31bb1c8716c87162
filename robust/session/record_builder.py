"""Build the record of a row from the payloads of its tests."""

import datetime
import json
import platform
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import robust
from robust.attacks.grammar.features import tables_of
from robust.data.spool import pick_rows
from robust.evaluation.time_limit import TIME
from robust.flags import Flags, union
from robust.records.added import CURVE
from robust.records.attack_outcome import AttackOutcome
from robust.records.certificate import Certificate
from robust.records.curve import Curve, eps_of
from robust.records.radii import Radii
from robust.records.record import Record
from robust.records.trust import Finding, TrustReport
from robust.session.payload import CurvePayload, ItemPayload, RowPart, Setup
from robust.train.card import summarise_card

CONTRADICTED = "contradicted"  # the name of the finding


def build_record(
    row: Sequence[ItemPayload],
    trust: TrustReport | None,
    labels: NDArray[Any],
    certificate: Certificate | None = None,
    curved: ItemPayload | None = None,
) -> Record:
    """Build the record of a row from the payloads of its attacks, the mitigated one last, and the samples' labels.

    `curved` is the payload of the curve that the row lies on.
    """
    setup, attacks = row[0].setup, [payload.attack for payload in row]
    parts = [payload.row for payload in row if payload.row is not None]
    outcomes: list[AttackOutcome] = [attack.outcome for attack in attacks if attack is not None]
    levels = [attack.levels for attack in attacks if attack is not None]
    record = Record(
        data=setup.data,
        model=setup.model,
        threat=parts[0].threat,
        seed=setup.seed,
        draw=setup.draw,
        criterion={"name": setup.criterion},
        draws=setup.draws,
        columns=row[0].columns,
        # In all of the processes that measured:
        correct=~union(~payload.correct for payload in (*row, *filter(None, [curved]))),
        attacks=tuple(outcomes),
        levels=None if None in levels else levels[0],
        provenance=_describe_provenance(setup, parts),
        trust=trust and _note_stopped(trust, outcomes),
        certificate=certificate,
        tables=tables_of(parts[0].threat),
    )
    if curved is not None and curved.curve is not None:
        record = _add_curve(record, curved.curve)
    if labels.ndim == 1:
        record.provenance["classes"] = count_classes(record, labels)
        record.provenance["classes"] |= {"names": [*setup.classes]} if setup.classes else {}
    return _note_contradicted(record)


def _describe_provenance(setup: Setup, parts: Sequence[RowPart]) -> dict[str, Any]:
    """Return where a row comes from: when, on what and by which command it was measured, and which model it is."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {
            "pytest-robust": robust.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "device": setup.device,
        "batch": setup.batch,
        "command": parts[0].command,
        "model": {
            "text": setup.model_text,
            "arch": setup.arch,
            "normalize": setup.normalize,
            "output": setup.output,
        },
        "notes": [*setup.notes, *dict.fromkeys(note for part in parts for note in part.notes)],
        "transforms": [*setup.transforms],
        **({"layout": json.loads(setup.layout)} if setup.layout else {}),
        **({"corrupted_before": parts[0].before} if parts[0].before else {}),
        **({"groups": setup.grouped} if setup.grouped else {}),
        **({"compressed": setup.compressed} if setup.compressed else {}),
        "training": setup.trained and summarise_card(setup.trained.card),
    }


def _add_curve(record: Record, payload: CurvePayload) -> Record:
    """Add the curve, and what it alone has found as an attack; the curve takes what the row's attacks have found.

    So the row's figure and the curve's at its eps are one. An input of another attack, of another process, lies within
    eps: then the distance is at most that.
    """
    curve, eps = payload.curve, eps_of(record.threat)
    broken = record.correct & find_known(curve) & ~curve.robust_at(eps)
    rounded = payload.rounded.get(record.threat)
    outcome = AttackOutcome(
        name=CURVE,
        options={"end": curve.end, "attacks": [*curve.attacks]},
        adversarial=broken,
        forwards=curve.forwards,
        backwards=curve.backwards,
        seconds=curve.seconds,
        rounded=None if rounded is None else rounded & broken,
    )
    planned, added = record.planned, record.attacks[len(record.planned) :]
    record = replace(record, attacks=(*planned, outcome, *added))
    distance = np.where(record.correct, curve.distance, 0).astype(np.float32)
    late = record.correct & ~record.robust & (distance > np.float32(eps))
    distance[late] = np.float32(eps)
    return replace(record, curve=replace(curve, distance=distance, proved=_join_proofs(record, curve.proved)))


def _join_proofs(record: Record, proved: Radii | None) -> Radii | None:
    """Return the certified radii with what the row's certificate proves, which may be of another process."""
    if proved is None:
        return None
    radius = np.where(record.correct, proved.radius, 0).astype(np.float32)
    if record.certificate is not None:
        marks = record.correct & record.certificate.certified
        radius[marks] = np.maximum(radius[marks], np.float32(eps_of(record.threat)))
    return replace(proved, radius=radius)


def find_known(curve: Curve) -> Flags:
    """Return the samples, (n,), of which the curve has an input of its own."""
    known: Flags = (curve.distance > 0) & np.isfinite(curve.distance)
    return known


def take_within(curve: Curve, record: Record, x_adv: NDArray[np.float32]) -> tuple[Flags, NDArray[np.float32]]:
    """Return (samples, (n,), that the curve has broken within the row's eps, their inputs)."""
    (outcome,) = (attack for attack in record.attacks if attack.name == CURVE)
    return outcome.adversarial, pick_rows(x_adv, np.flatnonzero(outcome.adversarial[find_known(curve)]))


def _note_contradicted(record: Record) -> Record:
    """Add a finding if samples are certified and broken at once: one of the two is wrong, so no figure counts."""
    if record.trust is None or not record.contradicted.any():
        return record
    n = int(record.contradicted.sum())
    text = f"{n} samples are certified, and answered wrong for inputs that were verified"
    finding = Finding(CONTRADICTED, "broken", n, text, "report it with the row, which holds both")
    return replace(record, trust=replace(record.trust, findings=(*record.trust.findings, finding)))


def _note_stopped(trust: TrustReport, outcomes: list[AttackOutcome]) -> TrustReport:
    """Add a finding on attacks that ran out of time, if test_trust did not see it: they ran in another process."""
    stopped = [outcome.name for outcome in outcomes if outcome.partial == TIME]
    if not stopped or trust.has("stopped") or trust.has("unattacked"):
        return trust
    text = f"{' and '.join(stopped)} was stopped by the time, in another process than that of the checks"
    finding = Finding("stopped", "suspect", None, text, "give it more time, with --robust-time")
    return replace(trust, findings=(*trust.findings, finding))


def count_classes(record: Record, labels: NDArray[np.int64]) -> dict[str, Any]:
    """Count the samples of each class, the correct and the robust ones; and give the worst class's robust accuracy."""
    n, correct, robust_ = (np.bincount(labels, weights=flags) for flags in (None, record.correct, record.robust))
    worst = min(robust_[n > 0] / n[n > 0])
    counts = {"n": n, "correct": correct, "robust": robust_}
    return {
        **{key: value.astype(int).tolist() for key, value in counts.items()},
        "worst_robust": round(float(worst), 6),
    }
