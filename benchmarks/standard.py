"""`make bench-standard`: standard-1 and quick-1 beside AutoAttack standard, which torchattacks' parts make.

Ten models, 500 test images each; then each stage by itself, five seeds, and twenty kills. Writes standard.md; the exit
status is 1 if a bound does not hold. It takes about an hour, most of it theirs.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np

from benchmarks import table
from benchmarks.ablation import ablation
from benchmarks.duel import Duel, Side, ours, run_suite, side
from benchmarks.kills import kills
from benchmarks.peers import torchattacks
from benchmarks.subjects import CASES, Case
from robust.attacks import LpThreat

PAGE = Path(__file__).parent / "standard.md"
PACKAGES = ("torch", "torchattacks")
SEED, SEEDS, N = 0, 5, 500
SUITE, QUICK = "standard-1", "quick-1"
HEADS = ("model", "threat", "n", "robust %", "forwards", "backwards", "seconds")
LEGEND = (
    f"Each cell is {SUITE} / AutoAttack standard / {QUICK}. Robust % is the robust accuracy in percent of all n test "
    "images, judged by the same code. Forwards and backwards are the samples sent through the model per attacked "
    "image. Seconds are processor time."
)
TIMES, GRADIENTS, QUICK_POINTS, QUICK_TIMES, SPREAD = 1 / 10, 1 / 4, 1.0, 1 / 5, 0.4  # what must hold


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The results of the three sides on one model."""

    case: Case
    n: int
    suite: Side
    peer: Side
    quick: Side

    @property
    def sides(self) -> tuple[Side, Side, Side]:
        return self.suite, self.peer, self.quick


def main(argv: list[str] | None = None) -> int:
    """Measure and write the page; return 1 if a bound does not hold."""
    parser = argparse.ArgumentParser(prog="benchmarks.standard", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="some of them only; the page is not written")
    parser.add_argument("--suite", default=SUITE, help="another, or a file of TOML; the page is not written")
    parser.add_argument("--samples", type=int, default=N, help="another number; the page is not written")
    parser.add_argument("--held-out", action="store_true", help="of the training split, to choose attacks by; likewise")
    args = parser.parse_args(argv)
    whole = not (args.models or args.held_out) and (args.suite, args.samples) == (SUITE, N)
    results = []
    for case in (case for case in CASES if not args.models or case.name in args.models):
        results.append(run_duel(case, args.suite, args.samples, held_out=args.held_out))
        _print(lines(results[-1:])[-1:] if len(results) > 1 else lines(results))
    page = [*lines(results), "", *bounds(results)]
    _print(bounds(results))
    if whole:
        for title, part in (("Stages", ablation(SUITE, SEED)), ("Seeds", seeds()), ("Kills", kills(SUITE))):
            page += ["", f"## {title}", "", *part]
            _print(["", f"## {title}", "", *part])
        PAGE.write_text(table.page(f"{SUITE} and AutoAttack", LEGEND, page, SEED, PACKAGES), "utf-8")
    return 1 if any("**no**" in line for line in page) else 0


def run_duel(case: Case, suite: str, n: int, *, held_out: bool = False) -> CaseResult:
    """Run all sides on one model, one after the other."""
    on, threat = case.subject(n, SEED, held_out=held_out), LpThreat.parse(case.threat)
    duel = Duel("AutoAttack standard", threat, suite, "torchattacks", torchattacks.auto_attack(threat), n)
    suite_attack, quick = ours(duel, SEED), ours(replace(duel, ours=QUICK), SEED)
    return CaseResult(case, n, *(side(duel, attack, on, SEED) for attack in (suite_attack, duel.theirs, quick)))


def lines(results: list[CaseResult]) -> list[str]:
    """Return the lines of the table."""
    return table.markdown(HEADS, (_cells(result) for result in results), words=2)


def _cells(result: CaseResult) -> list[str]:
    def cell(show: str, what: str) -> str:
        return " / ".join(format(getattr(side, what), show) for side in result.sides)

    figures = (cell(".1f", "figure"), cell(".0f", "forwards"), cell(".0f", "backwards"), cell(".1f", "seconds"))
    return [result.case.name, result.case.threat, str(result.n), *figures]


def bounds(results: list[CaseResult]) -> list[str]:
    """Return a line for each bound."""
    # Where every gradient is zero standard-1 spends queries that AutoAttack does not, and quick-1's steps say nothing:
    # costs are compared without that model, and shown with it.
    alike = [result for result in results if result.case.name != "rounded"]
    seconds, all_seconds = (_sums(some) for some in (alike, results))
    spent = [
        fmean(side.backwards for side in column) for column in zip(*(result.sides for result in results), strict=True)
    ]
    lower = sum(result.suite.figure < result.peer.figure for result in results)
    higher = [result.case.name for result in results if result.suite.figure > result.peer.figure]
    quick = max(result.quick.figure - result.suite.figure for result in alike)
    with_it = f"1/{all_seconds[1] / all_seconds[0]:.1f} with rounded"
    return [
        _line(f"never above AutoAttack ({', '.join(higher) or 'on none'}), below on {lower}", not higher and lower > 1),
        _line(
            f"time in the sum: 1/{seconds[1] / seconds[0]:.1f} of AutoAttack's, {with_it}",
            seconds[0] <= TIMES * seconds[1],
        ),
        _line(f"gradients: 1/{spent[1] / spent[0]:.1f} of AutoAttack's", spent[0] <= GRADIENTS * spent[1]),
        _line(f"{QUICK} is at most {quick:.1f} points above (leaving out rounded)", quick <= QUICK_POINTS),
        _line(f"{QUICK} takes 1/{seconds[0] / seconds[2]:.1f} of the time", seconds[2] <= QUICK_TIMES * seconds[0]),
    ]


def _sums(results: list[CaseResult]) -> list[float]:
    """Return the seconds of each side."""
    return [sum(side.seconds for side in column) for column in zip(*(result.sides for result in results), strict=True)]


def seeds() -> list[str]:
    """Return the table of robust accuracies for five seeds of the attacks, on the same images."""
    rows, widest = [], 0.0
    for case in CASES:
        on = case.subject(N, SEED)
        adversarial = (run_suite(on, SUITE, LpThreat.parse(case.threat), seed).adversarial for seed in range(SEEDS))
        figures = [100 * int(np.sum(~flags)) / N for flags in adversarial]
        widest = max(widest, max(figures) - min(figures))
        rows.append([case.name, case.threat, *(f"{figure:.1f}" for figure in figures)])
    head = ("model", "threat", *(f"seed {seed}" for seed in range(SEEDS)))
    text = f"five seeds differ by at most {widest:.1f} points"
    return [*table.markdown(head, rows, words=2), "", _line(text, round(widest, 6) <= SPREAD)]


def _line(text: str, holds: bool) -> str:
    return f"- {text}: {'yes' if holds else '**no**'}"


def _print(part: list[str]) -> None:
    sys.stdout.write("\n".join(part) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
