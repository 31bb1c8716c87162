"""Results: the measurements of a run in the process that files them: from payloads to rows and their files."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.gates import Decision, Measured
from robust.records.columns import UNDECIDED
from robust.records.evidence import Evidence
from robust.records.files import locked
from robust.records.folds import LINEAGE
from robust.records.record import Record
from robust.records.store import Fate, add
from robust.records.trust import TrustReport
from robust.report.folder import write_board
from robust.session.payload import (
    AttackPayload,
    ItemPayload,
    Labels,
    RowPart,
    Setup,
    TrainingCard,
    read_groups,
    read_labels,
)
from robust.session.record_builder import build_record
from robust.session.reverify import Reverified
from robust.session.row_evidence import collect_evidence
from robust.session.row_key import RowKey, key_of, of_curve, of_proof
from robust.session.waiting_inputs import remove_inputs

Logits = tuple[tuple[float, ...], ...]
Reverify = Callable[[ItemPayload, Record, Evidence, Logits | None], Reverified]


@dataclass
class Results:
    """The measurements so far. A test that ran twice counts as it ran the last time."""

    payloads: list[ItemPayload] = field(default_factory=list)  # one or more for each finished test
    labels: Labels = field(default_factory=dict)  # of all samples that the payloads are of
    warnings: dict[str, None] = field(default_factory=dict)  # what to read beside the figures, in order, each once
    decisions: dict[str, list[Decision]] = field(default_factory=dict)  # by test, or by the line that names a row
    compared: dict[str, dict[str, Any]] = field(default_factory=dict)  # a line for each comparison, and its figures
    saved: str = ""  # what became of the baseline that was to be saved
    files: list[Path] = field(default_factory=list)
    find_lineage: Callable[[Setup], str] | None = None  # of a run with folds: see lineage.py
    _rows: dict[RowKey, dict[str, ItemPayload]] = field(default_factory=dict)  # by attack
    _trust: dict[RowKey, TrustReport] = field(default_factory=dict)
    _certified: dict[RowKey, ItemPayload] = field(default_factory=dict)  # by the row's key without its suite
    _curves: dict[RowKey, ItemPayload] = field(default_factory=dict)  # by the row's key with its norm, without a suite
    _nearby: dict[RowKey, Logits | None] = field(default_factory=dict)  # what the model answered after the attacks
    _mitigated: dict[RowKey, ItemPayload] = field(default_factory=dict)  # an attack that was run beside a row
    _records: dict[RowKey, Record] = field(default_factory=dict)  # of the rows all of whose attacks were run
    _reverified: dict[RowKey, Reverified] = field(default_factory=dict)
    _fates: dict[RowKey, Fate] = field(default_factory=dict)

    def take(self, payload: ItemPayload) -> list[RowKey]:
        """Take a payload. Returns the rows that it completes, without one that was complete with the same outcomes."""
        self.payloads.append(payload)
        if payload.row is None:
            return []
        key = key_of(payload, payload.row)
        if payload.certificate is not None:
            self._certified[key] = payload
            return [other for other in self._rows if of_proof(other) == key and self._complete(other)]
        if payload.curve is not None:
            self._curves[key] = payload
            return [other for other in self._rows if of_curve(other) == key and self._complete(other)]
        if payload.trust is not None:
            self._trust[key], self._nearby[key] = payload.trust, payload.nearby
            if payload.attack is not None:
                self._mitigated[key] = payload
        elif payload.attack is not None:
            self._rows.setdefault(key, {})[payload.attack.outcome.name] = payload
        return [key] if self._complete(key) else []

    def _complete(self, key: RowKey) -> bool:
        """Build the row's record, if all is there that belongs to it. Returns whether it is a new one."""
        row, trust, certified = self._rows.get(key, {}), self._trust.get(key), self._certified.get(of_proof(key))
        curved = self._curves.get(of_curve(key))
        parts = [payload.row for payload in row.values() if payload.row is not None]
        if not parts or any(
            len(row) < part.attacks
            or (part.judged and not trust)
            or (part.certified and not certified)
            or (part.curved and not curved)
            for part in parts
        ):
            return False
        labels, certificate = self._read_labels(key)[0], None if certified is None else certified.certificate
        record = build_record(self._ordered(key), trust, labels, certificate, curved)
        if self.find_lineage is not None:
            record.provenance[LINEAGE] = self.find_lineage(self._ordered(key)[0].setup)
        record = replace(record, groups=read_groups(self.labels[record.data.digest]))
        before, self._records[key] = self._records.get(key), record
        if before is None or not (
            record.same_outcomes(before) and record.same_certificate(before) and record.same_curve(before)
        ):
            return True
        if key in self._reverified:
            self.add_reverified(key, self._reverified[key])
        return False

    def _ordered(self, key: RowKey) -> list[ItemPayload]:
        """Return the payloads of a row: its attacks by name, then the mitigated one."""
        mitigated = [self._mitigated[key]] if key in self._mitigated else []
        return [payload for _, payload in sorted(self._rows.get(key, {}).items())] + mitigated

    def _attacks(self, key: RowKey) -> list[AttackPayload]:
        return [payload.attack for payload in self._ordered(key) if payload.attack is not None]

    def _read_labels(self, key: RowKey) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the labels of the row's samples, (n, ...), and their numbers in the split, (n,)."""
        return read_labels(self.labels[self._ordered(key)[0].setup.data.digest])

    def list_numbers(self, key: RowKey, marked: Flags) -> list[int]:
        """List the numbers in the split of the samples of a row that are marked, (n,)."""
        return self._read_labels(key)[1][marked].tolist()  # type: ignore[no-any-return]

    def get_record(self, key: RowKey) -> Record:
        """Return the record of a complete row."""
        return self._records[key]

    def get_part(self, key: RowKey) -> RowPart:
        """Return what the first of the row's attacks says of the row."""
        part = next(iter(self._rows[key].values())).row
        assert part is not None
        return part

    def list_complete(self) -> list[tuple[RowKey, Record]]:
        """List all rows that are complete, also those that were measured twice with the same outcomes."""
        return [*self._records.items()]

    def list_keys(self) -> list[RowKey]:
        """List the complete rows in the tests' order; of those that were measured twice with the same outcomes, one."""
        keys: list[RowKey] = []
        for key in (key for key in self._rows if key in self._records):
            if not any(self._records[key].same_outcomes(self._records[other]) for other in keys):
                keys.append(key)
        return keys

    def list_records(self) -> list[Record]:
        """List their records."""
        return [self._records[key] for key in self.list_keys()]

    def list_reported(self) -> list[Record]:
        """List the records that the user's own tests report."""
        return [self._records[key] for key in self.list_keys() if key.origin]

    def describe_unfinished(self) -> list[str]:
        """Return a line for each row some of whose attacks were not run to their end."""
        lines = []
        for key, row in self._rows.items():
            if key not in self._records:
                part, model = self.get_part(key), self._ordered(key)[0].setup.model
                ran = f"{len(row)} of {part.attacks} attacks were run"
                if part.judged and key not in self._trust:
                    ran += ", and test_trust was not"
                if part.certified and of_proof(key) not in self._certified:
                    ran += ", and test_certified was not"
                who = f"{model.name} ({model.training}), {part.threat}"
                if part.curved and of_curve(key) not in self._curves:
                    ran += ", and test_curve was not"
                kept = "; its rounds are kept, and the same command goes on from them" * bool(part.cache)
                lines.append(f"{who}: {ran}, so there is no row{self._describe_change(key)}{kept}")
        return lines

    def describe_clean(self) -> list[str]:
        """Return a line on the clean accuracy of each model that has no row, which would show it."""
        shown = {(record.model, record.data.digest) for record in self.list_records()}
        lines: dict[str, None] = {}
        for payload in self.payloads:
            model, measured = payload.setup.model, Measured.of(int(payload.correct.sum()), len(payload.correct))
            if (model, payload.setup.data.digest) not in shown:
                unsure = int(payload.columns[UNDECIDED].sum()) if payload.setup.draws else 0
                told = f"; undecided, and so counted as wrong: {unsure}" * bool(payload.setup.draws)
                lines[f"{model.name} ({model.training}): clean accuracy {measured}{told}"] = None
        return [*lines]

    def _describe_change(self, key: RowKey) -> str:
        """Return that the tests of a row met different weights, if they did; else ""."""
        keys = (*self._rows, *self._trust, *self._certified, *self._curves)
        own = {key, of_curve(key)}
        same = (o for o in keys if {o._replace(weights=key.weights, suite=part) for part in (key.suite, "")} & own)
        hashes = {other.weights[:8]: None for other in same}
        met = " and ".join(hashes)
        return f"; something changed its weights between the tests: {met}" if len(hashes) > 1 else ""

    def list_trained(self) -> list[TrainingCard]:
        """List how models were trained, each once."""
        cards = [payload.setup.trained for payload in self.payloads if payload.setup.trained]
        return [*{card.path: card for card in cards}.values()]

    def list_fates(self) -> list[Fate]:
        """List what became of each row that was filed."""
        return [*self._fates.values()]

    def file(self, folder: Path, key: RowKey, most: int | None, images: int, reverify: Reverify) -> None:
        """Add a row to the leaderboard, with evidence of at most `most` samples; write the board's files again.

        What `reverify` returns goes into the row; if it raises, nothing is filed.
        """
        evidence = self.collect_evidence(key, most, images)
        reverified = reverify(self._ordered(key)[0], self._records[key], evidence, self._nearby.get(key))
        record = self.add_reverified(key, reverified)
        with locked(folder):
            fate = add(folder, record, evidence)
            self._fates.setdefault(key, fate)
            self.files = write_board(folder, keep=True)

    def add_reverified(self, key: RowKey, reverified: Reverified) -> Record:
        """Add what came of the fresh process to a row, and to the findings about it if it was checked; return it."""
        record, finding = self._records[key], reverified.finding
        self._reverified[key] = reverified
        record.provenance["verified"] = reverified.provenance
        if record.trust and finding:
            trust = replace(record.trust, findings=(*record.trust.findings, finding))
            record = self._records[key] = replace(record, trust=trust)
        return record

    def collect_evidence(self, key: RowKey, most: int | None, images: int) -> Evidence:
        """Collect the adversarial inputs that wait for a row, and the images, each of at most so many samples.

        The number of inputs goes into the record's provenance.
        """
        curved = self._curves.get(of_curve(key))
        curve = None if curved is None else curved.curve
        record = self._records[key]
        evidence = collect_evidence(record, self._attacks(key), curve, self._read_labels(key), most, images)
        record.provenance["inputs"] = len(evidence.row)
        return evidence

    def clear(self) -> None:
        """Remove the adversarial inputs that waited for their row, and the rounds of suites that have made one.

        Of a row that is not complete, since its test_trust was interrupted, the rounds are kept for the next run.
        """
        for key, payload in [(k, payload) for k in {**self._rows, **self._mitigated} for payload in self._ordered(k)]:
            if payload.attack is None or payload.row is None:
                continue
            if payload.attack.inputs:
                remove_inputs(payload.attack.inputs)
            if payload.row.cache and key in self._records and not payload.attack.outcome.partial:
                shutil.rmtree(payload.row.cache, ignore_errors=True)
        for key, payload in self._curves.items():
            if payload.curve and payload.curve.inputs:
                remove_inputs(payload.curve.inputs)
            whole = all(other in self._records for other in self._rows if of_curve(other) == key)
            if whole and payload.row and payload.curve and not payload.curve.curve.stopped:
                shutil.rmtree(payload.row.cache, ignore_errors=True)
        for key, payload in self._certified.items():
            whole = all(other in self._records for other in self._rows if of_proof(other) == key)
            if whole and payload.row and payload.certificate and not payload.certificate.partial:
                shutil.rmtree(payload.row.cache, ignore_errors=True)
