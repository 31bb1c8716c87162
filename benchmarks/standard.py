"""`make bench-standard`: standard-1 and quick-1 beside AutoAttack standard, which torchattacks' parts make.

Each network of networks.toml in three threat models. What was measured is kept in results/, one file a network, and is
measured again only if the suite, its code, the weights or the images changed; standard.md is made of these files. The
exit status is 1 if a bound does not hold. From nothing it takes hours, most of them AutoAttack's.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import table
from benchmarks.contest import Contest
from benchmarks.standard_page import PEER, QUICK, Result, describe, tables
from benchmarks.subjects import CASES, choose_cases
from robust.attacks import LpThreat
from robust.attacks.suite import read_suite

PAGE = Path(__file__).parent / "standard.md"
PACKAGES = ("torch", "torchattacks")
SEED, SUITE = 0, "standard-1"
OTHER_SEEDS = (1, 2)  # of the attacks, on rows where the two differ by the first
LEGEND = (
    f"Each cell is {SUITE} / AutoAttack standard / {QUICK}. Right is the number of the n images that the network "
    "answers right, which are attacked. Robust % is the robust accuracy in percent of all n, judged by the same code. "
    "Forwards and backwards are the samples sent through the network per attacked image. Seconds are processor time, "
    f"Time and gradients are {SUITE}'s shares of AutoAttack's; **+1** is one image more than AutoAttack left. Times "
    "are of one run of all sides; where code changed after it, the images left and the passes were confirmed to be the "
    "same. A row with \\* was measured with earlier code, and not confirmed. Rows where the two sides leave different "
    "numbers by the first seed were measured by two more; the others were not."
)


def main(argv: list[str] | None = None) -> int:
    """Measure what is missing, and write the page; return 1 if a bound does not hold."""
    parser = argparse.ArgumentParser(prog="benchmarks.standard", description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="measure some of them only, or half:first")
    parser.add_argument("--usual", action="store_true", help="measure the usual eps only")
    parser.add_argument("--again", action="store_true", help="measure also what is kept")
    parser.add_argument(
        "--confirm", action="store_true", help="whether what is kept is also what this code does; no times"
    )
    parser.add_argument(
        "--seeds", action="store_true", help="measure by two more seeds where the suite and AutoAttack differ"
    )
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("--earlier", action="store_true", help="write also rows that were measured with earlier code")
    parser.add_argument("--suite", default=SUITE, help="another, or a file of TOML; needs --held-out")
    parser.add_argument("--held-out", action="store_true", help="images to choose by; the table is only shown")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    if args.suite != SUITE and not args.held_out:
        parser.error("--suite is to choose by; give --held-out with it")
    cases = choose_cases(args.networks, parser)
    if untrained := [case.name for case in cases if not case.path.exists()]:
        parser.error(f"no weights of {', '.join(untrained)}; make bench-networks trains them")
    wanted = [(case, threat) for case in cases for threat in (case.threats[:1] if args.usual else case.threats)]
    name, measured = read_suite(args.suite, Path()).name, []
    if args.confirm:
        contests = [Contest(case, LpThreat.parse(threat), SUITE, SEED) for case, threat in wanted]
        return confirm([*contests, *(other for one in contests for other in other_seeds(one) if other.kept.outcomes)])
    if args.seeds:
        return run_seeds([Contest(case, LpThreat.parse(threat), SUITE, SEED) for case, threat in wanted])
    for case, threat in [] if args.page else wanted:
        run = Contest(case, LpThreat.parse(threat), args.suite, SEED, args.held_out).run(again=args.again)
        measured.append(Result(case, run, name))
        _print(describe(measured[-1]))
    if args.held_out:
        _print(*tables(measured))
        return 0
    return write_page(earlier=args.earlier)


def confirm(contests: list[Contest]) -> int:
    """Confirm what is kept of each comparison; return 1 if one differs, which is to be measured again."""
    differ = [(contest, sides) for contest in contests if (sides := contest.confirm())]
    for contest, sides in differ:
        _print(f"{contest.case.name} {contest.threat}, seed {contest.attack_seed}: {', '.join(sides)} differ")
    return 1 if differ else 0


def other_seeds(contest: Contest) -> list[Contest]:
    """Return the comparison by other seeds of the attacks; none where both sides leave equally many images."""
    left = {name: len(outcome.left) for name, outcome in contest.kept.outcomes.items()}
    differ = left.get(SUITE) != left.get(PEER) and contest.case.half != "chosen-on"
    return [replace(contest, attack_seed=seed) for seed in OTHER_SEEDS if differ]


def run_seeds(contests: list[Contest]) -> int:
    """Measure the suite and AutoAttack by other seeds where they differ; return 0."""
    for contest in (other for one in contests for other in other_seeds(one)):
        run = contest.run(names=(SUITE, PEER))
        left = " / ".join(str(len(run.outcomes[name].left)) for name in (SUITE, PEER))
        _print(f"{contest.case.name} {contest.threat}, seed {contest.attack_seed}: {left} left")
    return 0


def write_page(*, earlier: bool = False) -> int:
    """Write the page, once all results are kept and current; return 1 if one is missing, or a bound does not hold.

    If `earlier`, results that are not current will do, and are marked.
    """
    results, missing = [], []
    for contest in (Contest(case, LpThreat.parse(threat), SUITE, SEED) for case in CASES for threat in case.threats):
        due, others = [*contest.outdated()] if contest.case.path.exists() else [SUITE], other_seeds(contest)
        if due and not (earlier and contest.case.path.exists() and SUITE in contest.kept.outcomes):
            missing.append(f"{contest.case.name} {contest.threat}")
        elif lacking := [other for other in others if other.outdated((SUITE, PEER)) and not earlier]:
            missing.append(f"{contest.case.name} {contest.threat}, seed {lacking[0].attack_seed}")
        else:
            runs = tuple(other.kept for other in others if {SUITE, PEER} <= {*other.kept.outcomes})
            results.append(Result(contest.case, contest.kept, SUITE, earlier=bool(due), others=runs))
    lines = tables(results)
    if missing:  # a page of some would stand in the place of one of all
        _print(*lines, f"{PAGE.name} is not written: {len(missing)} rows are not measured, as {missing[0]}")
        return 1
    PAGE.write_text(table.page(f"{SUITE} and AutoAttack", LEGEND, lines, SEED, PACKAGES), "utf-8")
    _print(*lines)
    return 1 if any("**no**" in line for line in lines) else 0


def _print(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
