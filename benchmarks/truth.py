"""`make bench-truth`: suites and AutoAttack where the truth is known, and not only what another attack left.

Planted: the adversarial examples that networks were trained to hide from PGD, by `python -m benchmarks.planted`.
Certified: samples that bounds prove; no attack may break one. Exact: tiny networks, in a ball that just holds the
nearest adversarial example. The exit status is 1 if a certified sample is broken. What is measured on networks is kept
in results/, as that of bench-standard is.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks import table
from benchmarks.contest import Contest
from benchmarks.duel import Attacker, adversarial, spend, suite_attacker
from benchmarks.exact import SIZES, attack_exact, draw_exact
from benchmarks.outcomes import Run
from benchmarks.peers import torchattacks
from benchmarks.planted import PLANTED
from benchmarks.standard_page import PEER, QUICK
from benchmarks.subjects import CASES
from robust.attacks import LpThreat, assail, make
from robust.attacks.registry import suggest
from robust.attacks.suite import read_suite
from robust.certification.tensors import certify_samples

PAGE = Path(__file__).parent / "truth.md"
PACKAGES = ("torch", "torchattacks")
SEED, SUITE, METHOD = 0, "standard-1", "alpha-crown"
PGDS = ("pgd:steps=40", "pgd:steps=40:restarts=20")  # that what is planted is hidden from, more or less
CERTIFIED = (("ibp-cnn", "linf:0.1"), ("ibp-cnn", "linf:0.14"), ("mart-mlp", "linf:0.075"))
RATIOS = (1.001, 1.05)  # of the radius to the exact distance
EXACT_NETWORKS, EXACT_INPUTS = 8, 4
LEGEND = (
    f"Where a cell has three figures, they are those of {SUITE} / AutoAttack standard / {QUICK}. Forwards and "
    "backwards are the samples sent through the network per attacked one; seconds are processor time."
)
EFFORT = ("forwards", "backwards", "seconds")


@dataclass(frozen=True, slots=True)
class Bracket:
    """The outcomes on a network, and the samples of which it is proved that nothing breaks them."""

    network: str
    run: Run
    certified: frozenset[int]

    def open(self, name: str) -> int:
        """Return how many samples an attack left that are not certified."""
        return len({*self.run.outcomes[name].left} - self.certified)

    def broken(self, name: str) -> int:
        """Return how many certified samples an attack broke: one is a bug in the bounds, or in the judge."""
        return len(self.certified - {*self.run.outcomes[name].left})


def main(argv: list[str] | None = None) -> int:
    """Measure, and write the page or show a part of it; return 1 if a certified sample is broken."""
    parser = argparse.ArgumentParser(prog="benchmarks.truth", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}; only shown")
    parser.add_argument("--suite", default=SUITE, help="another, or a file of TOML; the tables are only shown")
    args = parser.parse_args(argv)
    for name in args.tables:
        if name not in TABLES:
            parser.error(f"unknown table {suggest(name, [*TABLES])}")
    torch.set_num_threads(1)
    lines = [line for name in args.tables or TABLES for line in (*TABLES[name](args.suite), "")]
    if args.tables or args.suite != SUITE:
        sys.stdout.write("\n".join(lines))
    else:
        PAGE.write_text(table.page("Known truth", LEGEND, lines[:-1], SEED, PACKAGES), "utf-8")
        sys.stdout.write(PAGE.read_text("utf-8"))
    return 1 if any("**broken**" in line for line in lines) else 0


def sides(suite: str) -> tuple[str, str, str]:
    """Return the names of the three sides, in the order of a cell."""
    return read_suite(suite, Path()).name, PEER, QUICK


def planted(suite: str) -> list[str]:
    """Return the table of planted adversarial examples."""
    heads = ("network", "threat", "planted", *(f"`{word}`" for word in PGDS), "found", *EFFORT)
    title = "## Planted adversarial examples"
    legend = (
        "The networks were trained to hide one adversarial example of each sample from PGD. Planted is how many are "
        "adversarial, checked again here; then how many of these samples PGD breaks, and found: how many the others do."
    )
    return [title, "", legend, "", *table.markdown(heads, _planted(suite), words=2)]


def _planted(suite: str) -> Iterator[list[str]]:
    for case in PLANTED:
        contest = Contest(case, LpThreat.parse(case.threat), suite, SEED, held_out=suite != SUITE)
        run = contest.run()
        pgds = (str(_count_found(contest, word)) for word in PGDS)
        yield [case.name, case.threat, f"{run.n} of {case.n}", *pgds, *describe(run, sides(suite))]


def _count_found(contest: Contest, word: str) -> int:
    """Return how many samples an attack breaks."""
    on, attack, threat = contest.on, make(word), contest.threat
    effort = spend(lambda model, x, y: assail(model, attack, x, y, threat, seed=SEED).x_adv, on, SEED)
    return int(adversarial(on.model, effort.x_adv, on.x, on.y, threat).sum())


def certified(suite: str) -> list[str]:
    """Return the table of certified samples."""
    title = "## Certified samples"
    legend = (
        "The images are those to choose by, which no network learnt from. Right is the number of n images that the "
        f"network answers right, certified that of those which {METHOD}, or a cheaper method before it, proves. Left "
        "is what an attack did not break; open are those of them that no method proves: their truth is not known. No "
        "attack may break a certified one."
    )
    heads = ("network", "threat", "n", "right", "certified", "left", "open", "certified ones broken")
    rows = (bracket_cells(bracket, sides(suite)) for bracket in _brackets(suite))
    return [title, "", legend, "", *table.markdown(heads, rows, words=2)]


def _brackets(suite: str) -> Iterator[Bracket]:
    cases = {case.name: case for case in CASES}
    for name, text in CERTIFIED:
        contest = Contest(cases[name], LpThreat.parse(text), suite, SEED, held_out=True)
        on = contest.on
        proved = certify_samples(on.model, on.x, on.y, contest.threat, METHOD).certified
        yield Bracket(name, contest.run(), frozenset(proved.nonzero()[0].tolist()))


def bracket_cells(bracket: Bracket, names: Sequence[str]) -> list[str]:
    """Return a row of the table of certified samples; a broken one is marked."""
    run, broken = bracket.run, [bracket.broken(name) for name in names]
    left = [len(run.outcomes[name].left) for name in names]
    cells = (left, [bracket.open(name) for name in names], broken)
    counts = [bracket.network, run.threat, *map(str, (run.n, run.right, len(bracket.certified)))]
    return [*counts, *(" / ".join(map(str, cell)) for cell in cells[:2]), _mark(broken)]


def _mark(broken: Iterable[int]) -> str:
    broken = [*broken]
    return " / ".join(map(str, broken)) + (" **broken**" if any(broken) else "")


def exact(suite: str) -> list[str]:
    """Return the table of exact distances."""
    samples, classes = draw_exact(EXACT_NETWORKS, EXACT_INPUTS, SEED), SIZES[-1]
    attackers: tuple[Callable[[LpThreat], Attacker], ...] = (
        lambda threat: suite_attacker(suite, threat, SEED),
        lambda threat: torchattacks.auto_attack(threat, classes),
        lambda threat: suite_attacker(QUICK, threat, SEED),
    )
    names, rows = sides(suite), []
    for ratio in RATIOS:
        outcomes = (attack_exact(samples, ratio, attacker, SEED) for attacker in attackers)
        run = Run(f"{ratio:g}", len(samples), len(samples), dict(zip(names, outcomes, strict=True)))
        rows.append([run.threat, str(run.n), *describe(run, names)])
    legend = (
        f"{EXACT_NETWORKS} random networks of {', '.join(map(str, SIZES))} units with ReLU, {EXACT_INPUTS} random "
        "inputs each, without those that are almost as far from an adversarial example as the inputs are wide. The "
        "radius, in linf, is a ratio times the exact distance of the nearest one, so that each could be found."
    )
    heads = ("ratio", "n", "found", *EFFORT)
    return ["## Exact distances", "", legend, "", *table.markdown(heads, rows, words=1)]


def describe(run: Run, names: Sequence[str]) -> list[str]:
    """Return what each side found, and the passes and the time that it took."""
    of = [run.outcomes[name] for name in names]
    found = " / ".join(str(run.right - len(each.left)) for each in of)
    forwards = " / ".join(f"{each.forwards / run.right:.0f}" for each in of)
    backwards = " / ".join(f"{each.backwards / run.right:.0f}" for each in of)
    return [found, forwards, backwards, " / ".join(f"{each.seconds:.1f}" for each in of)]


TABLES: dict[str, Callable[[str], list[str]]] = {"planted": planted, "certified": certified, "exact": exact}


if __name__ == "__main__":
    sys.exit(main())
