"""Folds: the rows of one recipe on the folds of a data set as one row, a view that no file holds. No torch."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any

import numpy as np

from robust.records.attack_outcome import AttackOutcome, StageOutcome
from robust.records.certificate import Certificate
from robust.records.columns import Columns
from robust.records.curve import Curve
from robust.records.groups import join_groups, read_classes
from robust.records.radii import Radii
from robust.records.record import Record
from robust.records.trust import Finding, TrustReport
from robust.records.used import DataUsed, ModelUsed, name_pool

LINEAGE = "folds"  # in a record's provenance: the digest of all that the folds of one recipe have in common
MISSING = "missing folds"  # why a pool is partial


@dataclass(frozen=True)
class PooledRecord(Record):
    """The rows of a recipe's folds together: each sample of the training split, by the model that did not see it."""

    folds: tuple[Record, ...] = ()  # by their numbers
    of: int = 0  # how many there are to be

    @property
    def missing(self) -> bool:
        """Whether folds were not measured."""
        return len(self.folds) < self.of

    @property
    def shares(self) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """(folds, 2): of each fold the percentages of samples that are answered right, and that are robust."""
        return 100 * np.array([[fold.correct.mean(), fold.robust.mean()] for fold in self.folds])


def pool_folds(records: Iterable[Record]) -> list[Record]:
    """Replace the rows of folds by one row for each lineage, which a run with folds gives them; others stay.

    Of a fold that has several rows the newest counts. A pool that lacks folds is partial.
    """
    others: list[Record] = []
    folds: list[Record] = []
    for record in records:
        pooled = name_pool(record.data.name)[1] and record.provenance.get(LINEAGE)
        (folds if pooled else others).append(record)
    pools = (list(group) for _, group in groupby(sorted(folds, key=_key), lambda record: _key(record)[:-1]))
    return [*others, *map(_pool, pools)]


def _key(record: Record) -> tuple[object, ...]:
    pool, number, _ = name_pool(record.data.name)
    attacks = [(attack.name, str(attack.options)) for attack in record.planned]
    who = (record.model.name, record.model.training, record.seed, record.draws, str(record.provenance[LINEAGE]))
    own = (pool, *record.board[1:], *who, str(attacks))
    return (*own, (number, str(record.provenance.get("date")), record.stem))


def _pool(records: Sequence[Record]) -> PooledRecord:
    folds = [*{name_pool(record.data.name)[1]: record for record in records}.values()]
    first, (pool, _, of) = folds[0], name_pool(folds[0].data.name)
    attacks = {attack.name: attack for fold in folds for attack in fold.attacks}
    kept = {field.name: getattr(first, field.name) for field in fields(Record)}
    joined = {
        "data": DataUsed(pool, first.data.split, sum(f.data.n for f in folds), _hash(f.data.digest for f in folds)),
        "model": ModelUsed(
            first.model.name, first.model.training, _hash(f.model.weights for f in folds), first.model.params
        ),
        "correct": np.concatenate([fold.correct for fold in folds]),
        "attacks": tuple(_join_attacks(folds, attack, missing=len(folds) < of) for attack in attacks.values()),
        "provenance": _join_provenance(folds),
        "evidence": None,
        "groups": None,  # of one split's samples
        "trust": _join_trust(folds),
        "columns": _join_columns([fold.columns for fold in folds]),
        "certificate": _join_certificates(folds),
        "curve": _join_curves(folds),
    }
    return PooledRecord(**kept | joined, folds=tuple(folds), of=of)


def _hash(texts: Iterable[str]) -> str:
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def _join_columns(parts: Sequence[Columns]) -> Columns:
    """Join the columns that all have, and with values of one shape, which a stranger's records need not have."""
    shapes = [{(name, column.shape[1:]) for name, column in part.items()} for part in parts]
    names = sorted(name for name, _ in set.intersection(*shapes))
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _join_attacks(folds: Sequence[Record], one: AttackOutcome, *, missing: bool) -> AttackOutcome:
    """Join the outcomes of an attack; a fold without it, as of one that is run where it is needed, counts as robust."""
    own = [{attack.name: attack for attack in fold.attacks}.get(one.name) for fold in folds]
    attacks = [each or _make_idle(one, fold.data.n) for each, fold in zip(own, folds, strict=True)]
    rounded = [attack.rounded for attack in attacks if attack.rounded is not None]
    stages = zip(*(attack.stages for attack in attacks), strict=False)
    return replace(
        attacks[0],
        adversarial=np.concatenate([attack.adversarial for attack in attacks]),
        **_add_costs(attacks),
        asked=max(attack.asked for attack in attacks),
        stages=tuple(_join_stages(some) for some in stages),
        partial=next((attack.partial for attack in attacks if attack.partial), MISSING * missing),
        rounded=np.concatenate(rounded) if len(rounded) == len(attacks) else None,
        columns=_join_columns([attack.columns for attack in attacks]),
        moved=(),
    )


def _make_idle(attack: AttackOutcome, n: int) -> AttackOutcome:
    """Return the outcome of an attack that was not run on n samples."""
    none = np.zeros(n, bool)
    rounded = None if attack.rounded is None else none
    return AttackOutcome(attack.name, attack.options, none, 0, 0, 0.0, rounded=rounded)


def _add_costs(spent: Sequence[AttackOutcome] | Sequence[StageOutcome] | Sequence[Curve]) -> dict[str, Any]:
    return {name: sum(getattr(each, name) for each in spent) for name in ("forwards", "backwards", "seconds")}


def _join_stages(stages: Sequence[StageOutcome]) -> StageOutcome:
    counts = {name: sum(getattr(stage, name) for stage in stages) for name in ("n", "adversarial")}
    return replace(stages[0], **counts, **_add_costs(stages))


def _join_provenance(folds: Sequence[Record]) -> dict[str, Any]:
    """Return the provenance of the first fold, with the counts by class of all."""
    kept = {key: value for key, value in folds[0].provenance.items() if key not in ("inputs", "verified", "classes")}
    parts = [fold.provenance.get("classes") for fold in folds]
    if all(parts):
        joined = join_groups([read_classes(part) for part in parts])
        counts = {key: [getattr(group, key) for group in joined] for key in ("n", "correct", "robust")}
        worst = min(group.robust / group.n for group in joined if group.n)
        kept["classes"] = {**folds[0].provenance["classes"], **counts, "worst_robust": round(worst, 6)}
    return kept


def _join_trust(folds: Sequence[Record]) -> TrustReport | None:
    """Return the findings of all folds, each once, with the first fold that has it; None if any was not checked."""
    reports = [fold.trust for fold in folds if fold.trust is not None]
    if len(reports) < len(folds):
        return None
    findings: dict[tuple[str, str], Finding] = {}
    for fold, report in zip(folds, reports, strict=True):
        number = name_pool(fold.data.name)[1]
        for each in report.findings:
            findings.setdefault((each.name, each.grade), replace(each, message=f"fold {number}: {each.message}"))
    return TrustReport(
        tuple(findings.values()),
        reports[0].accepted,
        reports[0].checked,
        reports[0].skipped,
        sum(report.seconds for report in reports),
        tuple(dict.fromkeys(name for report in reports for name in report.not_run)),
        why=reports[0].why,
    )


def _join_certificates(folds: Sequence[Record]) -> Certificate | None:
    found = [fold.certificate for fold in folds if fold.certificate is not None]
    if len(found) < len(folds):
        return None
    by: dict[str, int] = {}
    for certificate in found:
        by |= {method: by.get(method, 0) + count for method, count in certificate.by.items()}
    return Certificate(
        found[0].method,
        np.concatenate([each.certified for each in found]),
        np.concatenate([each.margin for each in found]),
        by,
        sum(each.seconds for each in found),
        next((each.partial for each in found if each.partial), ""),
    )


def _join_curves(folds: Sequence[Record]) -> Curve | None:
    """Return the distances of all folds; None unless all have a curve up to the same end."""
    found = [fold.curve for fold in folds if fold.curve is not None]
    if len(found) < len(folds) or len({curve.end for curve in found}) > 1:
        return None
    proofs = [curve.proved for curve in found if curve.proved is not None]
    radii = Radii(
        proofs[0].method,
        np.concatenate([proof.radius for proof in proofs]),
        sum(proof.seconds for proof in proofs),
        next((proof.partial for proof in proofs if proof.partial), ""),
    ) if len(proofs) == len(found) else None  # fmt: skip
    return replace(
        found[0],
        distance=np.concatenate([curve.distance for curve in found]),
        **_add_costs(found),
        partial=next((curve.partial for curve in found if curve.partial), ""),
        proved=radii,
    )
