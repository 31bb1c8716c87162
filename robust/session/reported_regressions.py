"""The words and numbers of a comparison with a baseline, and comparisons of rows that the user's own tests report."""

from collections.abc import Iterator
from typing import Any

from robust.attacks.text import printable
from robust.baseline.comparison import Comparison, Paired
from robust.baseline.iou_comparison import compare_iou
from robust.baseline.matching import AbsentError, UnfitError, Wanted, find_match, robust_flags
from robust.baseline.mean_comparison import compare_corruptions, compare_scores
from robust.baseline.store import Baseline
from robust.baseline.tolerance import CORRUPTED, MEAN, MIOU, ROBUST, WORDS, Tolerance
from robust.records.record import Record
from robust.session.results import Results

Figures = dict[str, Any]  # a comparison as numbers


def compare_reported(results: Results, baseline: Baseline, margins: tuple[Tolerance, ...]) -> list[str]:
    """Compare the rows of the user's own tests that the baseline has, too. Returns a line for each that is worse."""
    some = [margin for margin in margins if margin.metric in (ROBUST, MEAN, MIOU, CORRUPTED)]
    return [line for margin in some for line in _compare_reported(results, baseline, margin)]


def _compare_reported(results: Results, baseline: Baseline, margin: Tolerance) -> Iterator[str]:
    for record in results.list_reported():
        who, row = printable(f"{record.model.name} ({record.model.training})"), f"{record.threat}, {record.suite}"
        try:
            before = find_match(baseline.records, Wanted.of(record))
        except AbsentError:  # the test is new
            continue
        except UnfitError as error:
            results.warnings[f"{who}, {row}: not compared with {baseline}: {error.args[0]}"] = None
            continue
        if (comparison := _compare_rows(before, record, margin.metric)) is None:
            continue
        text = f"{who}, {row}: {WORDS[margin.metric]} {comparison}"
        results.compared[f"compared with {baseline}: {text}"] = figures_of(comparison, margin)
        ruling = comparison.ruling(margin)
        if ruling == "inconclusive":
            results.warnings[f"{who}: {describe_inconclusive(margin, f', {row}', comparison)}"] = None
        if ruling == "fails":
            yield f"{text}: more than {margin} allows against {baseline}"


def _compare_rows(before: Record, after: Record, metric: str) -> Paired | None:
    """Compare two rows by their robust accuracy, or a mean; None if one has no such mean."""
    if metric == MEAN:
        return compare_scores(before, after)
    if metric == MIOU:
        return compare_iou(before, after)
    if metric == CORRUPTED:
        return compare_corruptions(before, after)
    return Comparison(robust_flags(before, ROBUST), robust_flags(after, ROBUST))


def figures_of(comparison: Paired, margin: Tolerance) -> Figures:
    """Return a comparison as numbers, for whoever reads them by program; accuracies are counts of the n samples."""
    counts = dict(zip(("before", "after"), comparison.figures, strict=True))
    counts |= {name: int(getattr(comparison, name).sum()) for name in ("lost", "won")}
    allowed = {"margin": str(margin), "metric": margin.metric, "points": float(margin.points)}
    return {**allowed, "n": len(comparison.lost), **counts, "p": comparison.p, "ruling": comparison.ruling(margin)}


def describe_inconclusive(margin: Tolerance, row: str, comparison: Paired) -> str:
    """Return a line on a loss that may be chance."""
    change = f"{comparison.change} more than {margin} allows, and may be chance"
    return f"inconclusive: {WORDS[margin.metric]}{row}: {change} (p = {comparison.p:.2g}); use more samples"
