"""The row of a baseline that a row of today may be compared with; else why there is none, in one line."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from robust.attacks.text import printable
from robust.baseline.tolerance import CLEAN
from robust.flags import Flags, union
from robust.records.record import DataUsed, Record

LISTED = 4  # rows of a baseline that are named where none fits


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is measured today."""

    data: DataUsed
    model: str  # its name
    training: str
    threat: str
    suite: str
    seed: int
    options: dict[str, Any]  # of each attack, or of the suite, by name

    @classmethod
    def of(cls, record: Record) -> "Wanted":
        model, options = record.model, {attack.name: attack.options for attack in record.planned}
        return cls(record.data, model.name, model.training, record.threat, record.suite, record.seed, options)

    def __str__(self) -> str:
        return printable(f"{self.model} ({self.training}), {self.data.name}, {self.threat}, {self.suite}")


class UnfitError(LookupError):
    """A baseline has no row to compare with: in one line what is other than today's, or missing."""


class AbsentError(UnfitError):
    """It has no row of that name under that threat model and suite."""


def find_match(records: Sequence[Record], wanted: Wanted, alone: bool = False) -> Record:
    """The row to compare with; UnfitError where there is none, or its figures are no figures to compare with.

    `alone` says that one model was measured today: then a baseline of one model is meant, whatever that is called.
    """
    alone = alone and len({(record.model.name, record.model.training) for record in records}) == 1
    found = [record for record in records if _asked(record, wanted, alone)]
    if not found:
        told = dict.fromkeys(str(Wanted.of(record)) for record in records)
        more = f" and {len(told) - LISTED} more" if len(told) > LISTED else ""
        raise AbsentError(f"it has no row of {wanted}; it has {'; '.join([*told][:LISTED])}{more}")
    if len(found) > 1:
        weights = ", ".join(record.model.weights[:8] for record in found)
        raise UnfitError(f"it has {len(found)} rows of {wanted}, of weights {weights}; name the row's own .json")
    if why := _unfit(found[0], wanted):
        raise UnfitError(f"its row of {Wanted.of(found[0])} {why}")
    refuse(found[0])
    return found[0]


def refuse(record: Record) -> None:
    """UnfitError where a row's figures are none to compare."""
    if record.partial:
        raise UnfitError(f"the row of {Wanted.of(record)} was stopped by the {record.partial}: more may be broken")
    if record.verdict == "broken":
        raise UnfitError(f"the verdict on the row of {Wanted.of(record)} is broken: its figures cannot be believed")


def robust_flags(record: Record, metric: str) -> Flags:
    """(n,): what an accuracy counts. What a mitigated search broke was not asked for, and is not run for every row."""
    if metric == CLEAN:
        return record.correct
    return record.correct & ~union(attack.adversarial for attack in record.planned)


def measured(record: Record, wanted: Wanted) -> bool:
    """Whether a row is of the same data, threat model and attacks, of whatever model."""
    return (record.data.name, record.threat, record.suite) == (wanted.data.name, wanted.threat, wanted.suite)


def _asked(record: Record, wanted: Wanted, alone: bool) -> bool:
    called = (record.model.name, record.model.training) == (wanted.model, wanted.training)
    return measured(record, wanted) and (alone or called)


def _unfit(record: Record, wanted: Wanted) -> str:
    """Why they are not the same measurement, as the end of a sentence; "" where they are."""
    if record.seed != wanted.seed:
        return f"has seed {record.seed}, not {wanted.seed}: take --robust-seed={record.seed}"
    if record.data.n != wanted.data.n:
        return f"has {record.data.n} samples, not {wanted.data.n}: take --robust-samples={record.data.n}"
    if record.data != wanted.data:
        mine, theirs = wanted.data.digest[:8], record.data.digest[:8]
        return f"is of other samples (sha256 {theirs}, today's {mine}): the data is not what it was"
    if _plain(Wanted.of(record).options) != _plain(wanted.options):
        return f"is of another version of {record.suite}, or of other options"
    return ""


def _plain(options: dict[str, Any]) -> str:
    return json.dumps(options, sort_keys=True)
