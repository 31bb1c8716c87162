"""Match a row of a run with a row of a baseline, or say in one line why none may be compared with it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from robust.attacks.draws import Draws
from robust.attacks.text import printable
from robust.baseline.tolerance import CERTIFIED, CLEAN
from robust.flags import Flags, union
from robust.records.record import Record
from robust.records.schema_1 import CRITERION
from robust.records.used import DataUsed

MAX_LISTED = 4  # rows of a baseline that are named if none fits


@dataclass(frozen=True, slots=True)
class Wanted:
    """The row of this run: the same data, model, attacks and seed are wanted in the baseline."""

    data: DataUsed
    model: str  # its name
    training: str
    threat: str
    suite: str
    seed: int
    options: dict[str, Any]  # those of each attack, or of the suite, by name
    draw: int | None = None  # the seed of the draw of the samples; None if it is `seed`
    criterion: dict[str, Any] = field(default_factory=CRITERION.copy)
    draws: str | None = ""  # how the deployed answer is formed of random ones; None if that is not known yet
    before: str = ""  # the steps of a Dataset before which its pictures were corrupted

    @classmethod
    def of(cls, record: Record) -> "Wanted":
        """Return what a record is of."""
        model, options = record.model, {attack.name: attack.options for attack in record.planned}
        what = (record.data, model.name, model.training, record.threat, record.suite)
        return cls(*what, record.seed, options, record.draw, record.criterion, record.draws, record.corrupted_before)

    def __str__(self) -> str:
        return printable(f"{self.model} ({self.training}), {self.data.name}, {self.threat}, {self.suite}")


class UnfitError(LookupError):
    """A baseline has no row to compare with: in one line what differs from this run, or is missing."""


class AbsentError(UnfitError):
    """A baseline has no row of that name under that threat model and suite."""


def find_match(records: Sequence[Record], wanted: Wanted, alone: bool = False, any_training: bool = False) -> Record:
    """Find the row to compare with; raise UnfitError if there is none, or if its figures cannot be compared with.

    `alone` says that this run measures one model: then the row of a baseline with one model fits, whatever its name.
    With `any_training` the model as it was trained otherwise will do, if the baseline has no row of this training.
    """
    alone = alone and len({(record.model.name, record.model.training) for record in records}) == 1
    matches = [record for record in records if _matches(record, wanted, alone)]
    if not matches and any_training:
        matches = [record for record in records if is_same_row(record, wanted) and record.model.name == wanted.model]
    if not matches:
        names = [*dict.fromkeys(str(Wanted.of(record)) for record in records)]
        more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
        raise AbsentError(f"it has no row of {wanted}; it has {'; '.join(names[:MAX_LISTED])}{more}")
    if len(matches) > 1:
        weights = ", ".join(record.model.weights[:8] for record in matches)
        raise UnfitError(f"it has {len(matches)} rows of {wanted}, of weights {weights}; name the row's own .json")
    (match,) = matches
    if difference := _describe_difference(match, wanted):
        raise UnfitError(f"its row of {Wanted.of(match)} {difference}")
    refuse(match)
    return match


def refuse(record: Record) -> None:
    """Raise UnfitError if a row's figures cannot be compared."""
    row = f"the row of {Wanted.of(record)}"
    if record.partial:
        raise UnfitError(f"{row} was stopped by the {record.partial}: more samples may be adversarial")
    if record.verdict == "broken":
        raise UnfitError(f"the verdict on {row} is broken: its figures cannot be believed")


class UncertifiedError(UnfitError):
    """A row has no certificate that could be compared with."""


def certified_flags(record: Record, method: str | None = None) -> Flags:
    """Return the samples that a row certifies, (n,), by a method; UncertifiedError if none were, or by another one."""
    certificate, row = record.certificate, f"the row of {Wanted.of(record)}"
    if certificate is None:
        raise UncertifiedError(f"{row} has no certificate; it was measured without --robust-certify")
    if certificate.partial:
        raise UncertifiedError(f"the certificate of {row} was stopped by the {certificate.partial}")
    if method not in (None, certificate.method):
        now = f"{certificate.method}, not {method}: take --robust-certify={certificate.method}"
        raise UncertifiedError(f"{row} was certified by {now}")
    return certificate.certified


def robust_flags(record: Record, metric: str) -> Flags:
    """Return the samples that an accuracy counts, (n,); UncertifiedError where a row has no certificate.

    What a mitigated attack breaks does not count: it was not asked for, and is not run for every row.
    """
    if metric == CLEAN:
        return record.correct
    if metric == CERTIFIED:
        return certified_flags(record)
    return record.correct & ~union(attack.adversarial for attack in record.planned)


def is_same_row(record: Record, wanted: Wanted) -> bool:
    """Whether a row has the same data, threat model and attacks, whatever its model."""
    return (record.data.name, record.threat, record.suite) == (wanted.data.name, wanted.threat, wanted.suite)


def _matches(record: Record, wanted: Wanted, alone: bool) -> bool:
    same_model = (record.model.name, record.model.training) == (wanted.model, wanted.training)
    return is_same_row(record, wanted) and (alone or same_model)


def _describe_difference(record: Record, wanted: Wanted) -> str:
    """Describe why they are not the same measurement, as the end of a sentence; "" if they are."""
    if record.criterion != wanted.criterion:
        return f"was judged by the criterion {_to_text(record.criterion)}, not {_to_text(wanted.criterion)}"
    if wanted.draws is not None and record.draws != wanted.draws:
        take = f": take --robust-draws={record.draws}" * bool(record.draws and wanted.draws)
        return f"is of {_tell_draws(record.draws)}, not of {_tell_draws(wanted.draws)}{take}"
    if bool(record.corrupted_before) != bool(wanted.before):
        then, now = map(_tell_place, (record.corrupted_before, wanted.before))
        return f"is of images corrupted {then}, not {now}{': say corruption:3:after' * bool(wanted.before)}"
    if record.seed != wanted.seed:
        return f"has seed {record.seed}, not {wanted.seed}: take --robust-seed={record.seed}"
    if record.data.n != wanted.data.n:
        return f"has {record.data.n} samples, not {wanted.data.n}: take --robust-samples={record.data.n}"
    if record.data != wanted.data and (drawn := _drawn_by(record)) != _drawn_by(wanted):
        return f"has draw {drawn}, not {_drawn_by(wanted)}: take --robust-draw={drawn}"
    if record.data != wanted.data:
        now, before = wanted.data.digest[:8], record.data.digest[:8]
        return f"is of other samples (sha256 {before}, today's {now}): the data is not what it was"
    if _to_text(Wanted.of(record).options) != _to_text(wanted.options):
        return f"is of another version of {record.suite}, or of other options"
    return ""


def _tell_place(before: str) -> str:
    return f"before {before}" if before else "as the model gets them"


def _tell_draws(draws: str) -> str:
    return f"random answers, formed of {Draws.parse(draws).describe()}" if draws else "answers that are not random"


def _drawn_by(row: Record | Wanted) -> int:
    return row.seed if row.draw is None else row.draw


def _to_text(options: dict[str, Any]) -> str:
    return json.dumps(options, sort_keys=True)
