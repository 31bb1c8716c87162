"""The controller's part: from what the items found to records, and to the leaderboard's files."""

import contextlib
import datetime
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import robust
from robust.data.numpy_files import read_arrays
from robust.flags import union, unpack
from robust.gates import Decision
from robust.records.attack_outcome import attack_from_json
from robust.records.evidence import Evidence
from robust.records.files import locked
from robust.records.gallery import Gallery, join_galleries
from robust.records.record import DataUsed, ModelUsed, Record
from robust.records.store import Fate, add
from robust.records.trust import TrustReport, trust_from_json
from robust.report.folder import write_board
from robust.train.card import summarise_card

Found = dict[str, Any]
Key = tuple[str, ...]
Reverify = Callable[[Found, Record, Evidence], Found]  # what an item found, its row's record, the inputs that are kept


@dataclass
class Results:
    """What was found so far, an entry for each finished item."""

    found: list[Found] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)  # what to read beside the figures, in order, each once
    decisions: dict[str, list[Decision]] = field(default_factory=dict)  # by test, or by the line that tells of a row
    compared: dict[str, Found] = field(default_factory=dict)  # a line for each comparison, and its figures
    saved: str = ""  # what became of the baseline that was to be saved
    files: list[Path] = field(default_factory=list)
    _rows: dict[Key, dict[str, Found]] = field(default_factory=dict)  # the findings of each row, by attack
    _trusts: dict[Key, TrustReport] = field(default_factory=dict)  # what the checks say of each row
    _mitigated: dict[Key, Found] = field(default_factory=dict)  # what was run beside a row that they doubt
    _records: dict[Key, Record] = field(default_factory=dict)  # of the rows all of whose attacks were run
    _filed: dict[Key, Fate] = field(default_factory=dict)

    def take(self, found: Found) -> Key | None:
        """Note what an item found; of one that ran twice the last counts. Returns the row that is complete now.

        None where it was complete before, with the same outcomes.
        """
        self.found.append(found)
        if "threat" not in found:
            return None
        key = _key(found)
        if "trust" in found:
            self._trusts[key] = trust_from_json(found["trust"])
            if "attack" in found:
                self._mitigated[key] = found
        else:
            self._rows.setdefault(key, {})[found["attack"]["name"]] = found
        return self._complete(key)

    def _complete(self, key: Key) -> Key | None:
        """Make the row's record, where all is there that belongs to it."""
        row, trust = self._rows.get(key, {}), self._trusts.get(key)
        missing = not row or any(
            len(row) < found["planned"] or (found["judged"] and not trust) for found in row.values()
        )
        if missing:
            return None
        before, record = self._records.get(key), _record(self._ordered(key), trust)
        self._records[key] = record
        return None if before is not None and record.same_outcomes(before) else key

    def _ordered(self, key: Key) -> list[Found]:
        """The findings of a row: its attacks by name, and what was run beside them."""
        mitigated = [self._mitigated[key]] if key in self._mitigated else []
        return [found for _, found in sorted(self._rows.get(key, {}).items())] + mitigated

    def record(self, key: Key) -> Record:
        return self._records[key]

    def first(self, key: Key) -> Found:
        """What the first of the row's attacks found, and with it where all of them come from."""
        return next(iter(self._rows[key].values()))

    def complete(self) -> list[tuple[Key, Record]]:
        """All rows that are complete, also those that were measured twice the same."""
        return [*self._records.items()]

    def row_keys(self) -> list[Key]:
        """The complete rows, in the items' order; what was measured twice the same is one."""
        found: list[Key] = []
        for key in (key for key in self._rows if key in self._records):
            if not any(self._records[key].same_outcomes(self._records[other]) for other in found):
                found.append(key)
        return found

    def records(self) -> list[Record]:
        """A record for each of them."""
        return [self._records[key] for key in self.row_keys()]

    def reported(self) -> list[Record]:
        """Those of the user's own tests."""
        return [self._records[key] for key in self.row_keys() if self._ordered(key)[0]["origin"]]

    def unfinished(self) -> list[str]:
        """A line for each row some of whose attacks were not run to their end."""
        lines = []
        for key, row in self._rows.items():
            if key not in self._records:
                first = self.first(key)
                model, ran = first["model"], f"{len(row)} of {first['planned']} attacks were run"
                if first["judged"] and key not in self._trusts:
                    ran += ", and test_trust was not"
                lines.append(f"{model['name']} ({model['training']}), {first['threat']}: {ran}, so there is no row")
        return lines

    def trained(self) -> list[Found]:
        """How models were trained, each once: {"card": ..., "path": ...}."""
        return [*{found["trained"]["path"]: found["trained"] for found in self.found if found["trained"]}.values()]

    def fates(self) -> list[Fate]:
        return [*self._filed.values()]

    def file(self, folder: Path, key: Key, most: int | None, pictures: int, look: Reverify) -> None:
        """Add a row to the leaderboard, with evidence of at most so many samples; make its files anew.

        What `look` tells of the inputs stands in the row; where it raises, nothing is filed.
        """
        record, evidence = self._records[key], self.evidence(key, most, pictures)
        record.provenance["verified"] = look(self._ordered(key)[0], record, evidence)
        with locked(folder):
            fate = add(folder, record, evidence)
            self._filed.setdefault(key, fate)
            self.files = write_board(folder)

    def evidence(self, key: Key, most: int | None, pictures: int) -> Evidence:
        """The adversarial inputs that wait for a row, and the pictures, each of at most so many samples.

        The row's record tells of how many there are inputs.
        """
        record, row = self._records[key], self._ordered(key)
        waiting = [read_arrays(Path(found["inputs"]), ["x_adv", "y", "index"]) for found in row]
        pairs = [(a.adversarial, x_adv) for a, (x_adv, _, _) in zip(record.attacks, waiting, strict=True)]
        _, y, index = waiting[0]
        evidence = Evidence.of(y, index, pairs, most, record.seed)
        record.provenance["inputs"] = len(evidence.row)
        return replace(evidence, gallery=_gallery(row, record, pictures))

    def clear(self) -> None:
        """Remove the adversarial inputs that waited for their row, and the rounds of suites that came to their end."""
        for found in (found for key in {**self._rows, **self._mitigated} for found in self._ordered(key)):
            if found["inputs"]:
                path = Path(found["inputs"])
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # other inputs wait there
                    path.parent.rmdir()
            if "journal" in found and "partial" not in found["attack"]:
                shutil.rmtree(found["journal"], ignore_errors=True)


def _key(found: Found) -> Key:
    model = found["model"]
    words = found["model_text"], model["training"], model["weights"], found["threat"], found["origin"]
    return (*words, found.get("suite", ""))


def row_named(key: Key) -> list[str] | None:
    """[model, training, threat model, suite or ""] of a row of ours; None of a user's own."""
    model, training, _, threat, origin, suite = key
    return None if origin else [model, training, threat, suite]


def _record(row: list[Found], trust: TrustReport | None) -> Record:
    first = row[0]
    data = DataUsed(**first["data"])
    wrong = union(~unpack(found["correct"], data.n) for found in row)  # in any of the processes that measured
    record = Record(
        data=data,
        model=ModelUsed(**first["model"]),
        threat=first["threat"],
        seed=first["seed"],
        correct=~wrong,
        attacks=tuple(attack_from_json(found["attack"], data.n) for found in row),
        levels=None if any(found["levels"] is None for found in row) else first["levels"],
        provenance={
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "versions": {
                "pytest-robust": robust.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
            "device": first["device"],
            "batch": first["batch"],
            "command": first["command"],
            "model": {"text": first["model_text"], "arch": first["arch"], "normalize": first["normalize"]},
            "notes": first["notes"],
            "transforms": first["transforms"],
            "training": first["trained"] and summarise_card(first["trained"]["card"]),
        },
        trust=trust,
    )
    record.provenance["classes"] = _by_class(record, np.array(first["labels"]))
    return record


def _by_class(record: Record, labels: NDArray[np.int64]) -> dict[str, Any]:
    """Of each class how many samples there are, are answered right, and are robust; and the worst class's accuracy."""
    n, correct, robust_ = (np.bincount(labels, weights=flags) for flags in (None, record.correct, record.robust))
    worst = min(robust_[n > 0] / n[n > 0])
    counts = {"n": n, "correct": correct, "robust": robust_}
    return {
        **{key: value.astype(int).tolist() for key, value in counts.items()},
        "worst_robust": round(float(worst), 6),
    }


def _gallery(row: list[Found], record: Record, most: int) -> Gallery | None:
    """Of what the attacks' findings have pictures of, those of the row."""
    parts = [
        Gallery.of(dict(zip(found["pictures"], read_arrays(Path(found["inputs"]), found["pictures"]), strict=True)))
        for found in row
    ]
    return join_galleries(parts, record.correct & ~record.robust, most, record.seed)
