"""Build the record of a row from the payloads of its tests."""

import datetime
import platform
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import robust
from robust.attacks.words import tables_of
from robust.evaluation.time_limit import TIME
from robust.flags import union
from robust.records.attack_outcome import AttackOutcome
from robust.records.certificate import Certificate
from robust.records.record import Record
from robust.records.trust import Finding, TrustReport
from robust.session.payload import ItemPayload
from robust.train.card import summarise_card

CONTRADICTED = "contradicted"  # the name of the finding


def build_record(
    row: Sequence[ItemPayload],
    trust: TrustReport | None,
    labels: NDArray[Any],
    certificate: Certificate | None = None,
) -> Record:
    """Build the record of a row from the payloads of its attacks, the mitigated one last, and the samples' labels."""
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
        columns=row[0].columns,
        correct=~union(~payload.correct for payload in row),  # in all of the processes that measured
        attacks=tuple(outcomes),
        levels=None if None in levels else levels[0],
        provenance={
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
            "training": setup.trained and summarise_card(setup.trained.card),
        },
        trust=trust and _note_stopped(trust, outcomes),
        certificate=certificate,
        tables=tables_of(parts[0].threat),
    )
    if labels.ndim == 1:
        record.provenance["classes"] = count_classes(record, labels)
    return _note_contradicted(record)


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
