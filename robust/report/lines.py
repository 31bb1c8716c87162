"""The lines of the CSV tables: for each row one for all attacks, one for each attack, one for each stage."""

import math
from collections.abc import Iterable
from typing import Any

from robust.flags import union
from robust.records.attack_outcome import AttackOutcome, StageOutcome
from robust.records.folds import PooledRecord
from robust.records.queries import median_queries, queries_of
from robust.records.record import Record
from robust.report import compressed
from robust.report.board import Board, Row, percent, stages_of
from robust.report.corrupted import csv_cells
from robust.report.groups import worst_cells
from robust.report.table import spread_of
from robust.stats import wilson

SCHEMA = 1

Line = dict[str, Any]


def lines(board: Board, row: Row) -> list[Line]:
    """Return the lines of a row, that for all attacks first; percentages are of all n samples and in full precision."""
    shared = _share(board, row)
    return [shared | _part(row.record, *part) for part in (_all_attacks(row.record), *list_parts(row.record))]


def line_of_all(board: Board, row: Row) -> Line:
    """Return the line of a row for all attacks together, the attack "all"."""
    return _share(board, row) | _part(row.record, *_all_attacks(row.record))


def _all_attacks(record: Record) -> tuple[str, int, AttackOutcome]:
    return "all", record.counts[1], _join_attacks(_sort_attacks(record))


def list_parts(record: Record) -> list[tuple[str, int, AttackOutcome | StageOutcome]]:
    """List (name, number of robust samples, cost) of each attack alone, and of a suite after each stage."""
    correct = record.counts[0]
    attacks = [(a.name, int((record.correct & ~a.adversarial).sum()), a) for a in _sort_attacks(record)]
    stages = [
        (f"{record.suite} after {k}: {stage.attack}", correct - stage.adversarial, stage)
        for k, stage in enumerate(stages_of(record), 1)
    ]
    return [*attacks, *stages]


def _sort_attacks(record: Record) -> list[AttackOutcome]:
    return sorted(record.attacks, key=lambda attack: attack.name)


def _join_attacks(attacks: list[AttackOutcome]) -> AttackOutcome:
    """Return the worst case over the attacks, at the cost of all."""
    adversarial = union(attack.adversarial for attack in attacks)
    stored = [attack.rounded for attack in attacks if attack.rounded is not None]
    rounded = union(stored) if len(stored) == len(attacks) else None
    forwards, backwards = sum(a.forwards for a in attacks), sum(a.backwards for a in attacks)
    return AttackOutcome("all", {}, adversarial, forwards, backwards, sum(a.seconds for a in attacks), rounded=rounded)


def _share(board: Board, row: Row) -> Line:
    """Return the cells that all lines of a row have."""
    record = row.record
    return {
        "schema": SCHEMA,
        "data": board.data,
        "threat": board.threat,
        "suite": board.suite,
        "rank": "" if row.rank is None else row.rank,
        "model": record.model.name,
        "training": record.recipe,
        "n": record.data.n,
        "clean_percent": row.clean,
        "clean_correct": record.counts[0],
        "params": record.model.params,
        # "sha256:", or a reader would take some digests for numbers
        "weights": f"sha256:{record.model.weights[:16]}",
        "samples": f"sha256:{record.data.digest[:16]}",
        "seed": record.seed,
        "date": str(record.provenance.get("date", "")),
        "partial": record.partial,
        "verdict": record.verdict,
        "doubts": _names(finding.name for finding in record.trust.findings) if record.trust else "",
        "accepted": _names(record.trust.accepted) if record.trust else "",
        **_folds(record),
        **_draws(record),
        **_certificate(record),
        **_curve(record),
        **_scores(row),
        **worst_cells(record),
        **compressed.list_cells(record),
        **csv_cells(record),
        "levels": "" if record.levels is None else record.levels,  # None would make floats of the column
    }


def _folds(record: Record) -> Line:
    """Return the cells of folds: how many there are, and the standard deviations over them; none without folds."""
    if not isinstance(record, PooledRecord):
        return {}
    clean, robust = ("" if deviation is None else deviation for deviation in spread_of(record))
    return {"folds": len(record.folds), "clean_sd": clean, "robust_sd": robust}


def _draws(record: Record) -> Line:
    """Return the cells of random answers: how they are formed, and the undecided samples; none of others."""
    if not record.draws:
        return {}
    clean, attacked = record.undecided
    return {"draws": record.draws, "clean_undecided": clean, "undecided": attacked}


def _certificate(record: Record) -> Line:
    """Return the cells of what is certified, in percent of all n samples; none without a certificate."""
    if (certificate := record.certificate) is None or record.open is None:
        return {}
    k, n = int(certificate.certified.sum()), record.data.n
    low, high = wilson(k, n)
    shares = {"certified": percent(k, n), "certified_low": 100 * low, "certified_high": 100 * high}
    return {"certify": certificate.method, **shares, "open": percent(int(record.open.sum()), n)}


def _curve(record: Record) -> Line:
    """Return the cells of the curve: its end, its median ("" beyond it), and the accuracies that it lists."""
    if (curve := record.curve) is None:
        return {}
    median = curve.median if math.isfinite(curve.median) else ""
    listed = {
        column_of(f"{curve.norm}:{text}"): percent(int(robust.sum()), record.data.n)
        for text, robust in curve.list_marks()
    }
    proved = {
        column_of_proof(f"{curve.norm}:{text}"): percent(int(certified.sum()), record.data.n)
        for text, certified in curve.list_proved()
    }
    return {"curve_end": curve.end, "curve_median": median, **listed, **proved}


def column_of(threat: str) -> str:
    """Return the column of the robust accuracy at an eps that is read from the curve."""
    return f"at {threat} percent"


def column_of_proof(threat: str) -> str:
    """Return the column of what is certified at an eps of the curve."""
    return f"certified at {threat} percent"


def _scores(row: Row) -> Line:
    """Return the cells of the criterion and of its mean scores."""
    line: Line = {"criterion": row.record.criterion["name"]}
    for scores, name in zip(row.scores, ("score", "miou"), strict=False):
        for prefix, mean in (("clean", scores.clean), ("attacked", scores.attacked)):
            key = f"{prefix}_{name}"
            line |= {key: mean.value, f"{key}_low": mean.low, f"{key}_high": mean.high}
    if row.scores:
        line["score"] = row.scores[0].name
    return line


def _part(record: Record, attack: str, k: int, spent: AttackOutcome | StageOutcome) -> Line:
    """Return the cells of a line of its own, after an attack that left k samples robust."""
    n = record.data.n
    low, high = wilson(k, n)
    return {
        "attack": attack,
        "robust_percent": percent(k, n),
        "low_percent": 100 * low,
        "high_percent": 100 * high,
        "drop_points": percent(record.counts[0] - k, n),
        "robust_correct": k,
        "forwards": spent.forwards,
        "backwards": spent.backwards,
        "seconds": round(spent.seconds, 3),
        "rounded_percent": _rounded_percent(record, spent),
        **_queries(spent),
    }


def _queries(spent: AttackOutcome | StageOutcome) -> Line:
    """Return the most queries of a sample, and their median where the attack succeeded; none where none are counted."""
    queries = queries_of(spent) if isinstance(spent, AttackOutcome) else None
    if queries is None or not isinstance(spent, AttackOutcome):
        return {}
    median = median_queries(queries)
    return {"asked": spent.asked, "queries_median": "" if median is None else median}


def _rounded_percent(record: Record, spent: AttackOutcome | StageOutcome) -> float | None:
    """Return the robust accuracy against rounded inputs; None if unknown, as after a suite's stages."""
    if isinstance(spent, StageOutcome) or spent.rounded is None:
        return None
    return percent(int((record.correct & ~spent.rounded).sum()), record.data.n)


def _names(names: Iterable[str]) -> str:
    return " ".join(names)
