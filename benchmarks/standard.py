"""`make bench-standard`: standard-1 and quick-1 beside AutoAttack standard, which torchattacks' parts make.

Ten models, 500 test pictures each; then what each stage is good for, five seeds, and twenty kills. Writes standard.md;
ends in 1 where a bound does not hold. It takes about an hour, most of it theirs.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np

from benchmarks import table
from benchmarks.ablation import ablation
from benchmarks.duel import Duel, Side, campaign, ours, side
from benchmarks.kills import kills
from benchmarks.peers import torchattacks
from benchmarks.subjects import BOUTS, Bout
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
class Fought:
    """The three sides on one model."""

    bout: Bout
    n: int
    suite: Side
    peer: Side
    quick: Side

    @property
    def sides(self) -> tuple[Side, Side, Side]:
        return self.suite, self.peer, self.quick


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status: 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(prog="benchmarks.standard", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="some of them only; the page is not written")
    parser.add_argument("--suite", default=SUITE, help="another, or a file of TOML; the page is not written")
    parser.add_argument("--samples", type=int, default=N, help="another number; the page is not written")
    parser.add_argument("--held-out", action="store_true", help="of the training split, to choose attacks by; likewise")
    args = parser.parse_args(argv)
    whole = not (args.models or args.held_out) and (args.suite, args.samples) == (SUITE, N)
    fought = []
    for bout in (bout for bout in BOUTS if not args.models or bout.name in args.models):
        fought.append(fight(bout, args.suite, args.samples, held_out=args.held_out))
        _say(lines(fought[-1:])[-1:] if len(fought) > 1 else lines(fought))
    told = [*lines(fought), "", *bounds(fought)]
    _say(bounds(fought))
    if whole:
        for title, part in (("Stages", ablation(SUITE, SEED)), ("Seeds", seeds()), ("Kills", kills(SUITE))):
            told += ["", f"## {title}", "", *part]
            _say(["", f"## {title}", "", *part])
        PAGE.write_text(table.page(f"{SUITE} and AutoAttack", LEGEND, told, SEED, PACKAGES), "utf-8")
    return 1 if any("**no**" in line for line in told) else 0


def fight(bout: Bout, suite: str, n: int, *, held_out: bool = False) -> Fought:
    """All sides on one model, one after the other."""
    on, threat = bout.subject(n, SEED, held_out=held_out), LpThreat.parse(bout.threat)
    duel = Duel("AutoAttack standard", threat, suite, "torchattacks", torchattacks.auto_attack(threat), n)
    mine, quick = ours(duel, SEED), ours(replace(duel, ours=QUICK), SEED)
    return Fought(bout, n, *(side(duel, attack, on, SEED) for attack in (mine, duel.theirs, quick)))


def lines(fought: list[Fought]) -> list[str]:
    return table.markdown(HEADS, (_cells(one) for one in fought), words=2)


def _cells(one: Fought) -> list[str]:
    def cell(show: str, what: str) -> str:
        return " / ".join(format(getattr(each, what), show) for each in one.sides)

    figures = (cell(".1f", "figure"), cell(".0f", "forwards"), cell(".0f", "backwards"), cell(".1f", "seconds"))
    return [one.bout.name, one.bout.threat, str(one.n), *figures]


def bounds(fought: list[Fought]) -> list[str]:
    """What was promised, a line each."""
    # Where every gradient is zero standard-1 spends queries that AutoAttack does not, and quick-1's steps say nothing:
    # costs are compared without that model, and shown with it.
    alike = [one for one in fought if one.bout.name != "rounded"]
    seconds, all_seconds = (_sums(some) for some in (alike, fought))
    spent = [fmean(each.backwards for each in column) for column in zip(*(one.sides for one in fought), strict=True)]
    lower = sum(one.suite.figure < one.peer.figure for one in fought)
    higher = [one.bout.name for one in fought if one.suite.figure > one.peer.figure]
    quick = max(one.quick.figure - one.suite.figure for one in alike)
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


def _sums(fought: list[Fought]) -> list[float]:
    """Seconds of each side."""
    return [sum(each.seconds for each in column) for column in zip(*(one.sides for one in fought), strict=True)]


def seeds() -> list[str]:
    """Robust accuracy by five seeds of the attacks, on the same pictures."""
    rows, widest = [], 0.0
    for bout in BOUTS:
        on = bout.subject(N, SEED)
        adversarial = (campaign(on, SUITE, LpThreat.parse(bout.threat), seed).adversarial for seed in range(SEEDS))
        found = [100 * int(np.sum(~flags)) / N for flags in adversarial]
        widest = max(widest, max(found) - min(found))
        rows.append([bout.name, bout.threat, *(f"{figure:.1f}" for figure in found)])
    head = ("model", "threat", *(f"seed {seed}" for seed in range(SEEDS)))
    told = f"five seeds differ by at most {widest:.1f} points"
    return [*table.markdown(head, rows, words=2), "", _line(told, round(widest, 6) <= SPREAD)]


def _line(told: str, holds: bool) -> str:
    return f"- {told}: {'yes' if holds else '**no**'}"


def _say(told: list[str]) -> None:
    sys.stdout.write("\n".join(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
