"""What a comparison with a baseline is told by, and the comparisons of the rows that the user's own tests report."""

from collections.abc import Iterator
from typing import Any

from robust.attacks.text import printable
from robust.baseline.comparison import Comparison
from robust.baseline.distances import DistanceComparison
from robust.baseline.matching import AbsentError, UnfitError, Wanted, find_match, robust_flags
from robust.baseline.store import Baseline
from robust.baseline.tolerance import DISTANCE, ROBUST, WORDS, Tolerance
from robust.session.results import Results

Figures = dict[str, Any]  # a comparison as numbers


def compare_reported(results: Results, baseline: Baseline, margins: tuple[Tolerance, ...]) -> list[str]:
    """Compare the rows of the user's own tests that the baseline has, too. Returns a line for each that is worse."""
    margin = next((margin for margin in margins if margin.metric == ROBUST), None)
    return [] if margin is None else [*_compare_reported(results, baseline, margin)]


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
        comparison = Comparison(robust_flags(before, ROBUST), robust_flags(record, ROBUST))
        text = f"{who}, {row}: {WORDS[ROBUST]} {comparison}"
        results.compared[f"compared with {baseline}: {text}"] = figures_of(comparison, margin)
        ruling = comparison.ruling(margin)
        if ruling == "inconclusive":
            results.warnings[f"{who}: {describe_inconclusive(margin, f', {row}', comparison)}"] = None
        if ruling == "fails":
            yield f"{text}: more than {margin} allows against {baseline}"


def figures_of(comparison: Comparison | DistanceComparison, margin: Tolerance) -> Figures:
    """Return a comparison as numbers, for whoever reads them by program."""
    counts = {name: round(float(getattr(comparison, name).sum()), 6) for name in ("before", "after", "lost", "won")}
    if isinstance(comparison, Comparison):
        counts = {name: int(count) for name, count in counts.items()}
    allowed = {"margin": str(margin), "metric": margin.metric, "points": float(margin.points)}
    return {**allowed, "n": len(comparison.before), **counts, "p": comparison.p, "ruling": comparison.ruling(margin)}


def describe_inconclusive(margin: Tolerance, row: str, comparison: Comparison | DistanceComparison) -> str:
    """Return a line on a loss that may be chance."""
    unit = "%" if margin.metric == DISTANCE else "points"
    change = f"{comparison.points:+.1f} {unit} are more than {margin} allows, and may be chance"
    return f"inconclusive: {WORDS[margin.metric]}{row}: {change} (p = {comparison.p:.2g}); use more samples"
