"""A suite against AutoAttack standard, which torchattacks' parts make: `python -m benchmarks.yardstick --samples=200`.

Every result is printed. It takes about a minute and a half for 100 pictures of a robust model, nearly all of it theirs.
"""

import argparse
import sys

from benchmarks import table
from benchmarks.duel import Duel, fight
from benchmarks.peers import torchattacks
from benchmarks.subjects import MODELS, Subject, held_out, network, pictures
from robust.attacks import LpThreat

SEED = 0


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status: 1 where our figure is higher than theirs by more than the slack."""
    parser = argparse.ArgumentParser(prog="benchmarks.yardstick", description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL", help=f"by default {' '.join(MODELS)}")
    parser.add_argument("--suite", default="standard-1", help="its name, or a file of TOML")
    parser.add_argument("--threat", action="append", help="by default linf:0.1 and l2:1; torchattacks knows no l1")
    parser.add_argument("--samples", type=int, default=1000, help="pictures, drawn by the seed")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--held-out", action="store_true", help="pictures of the training split that nothing learnt")
    args = parser.parse_args(argv)
    for line in table.references([]):
        sys.stdout.write(line + "\n")
    holds = True
    for name in args.models:
        for threat in map(LpThreat.parse, args.threat or ("linf:0.1", "l2:1")):
            on = Subject.of(name, network(name), *(held_out if args.held_out else pictures)(args.samples, args.seed))
            theirs = torchattacks.auto_attack(threat)
            row = fight(Duel("AutoAttack standard", threat, args.suite, "torchattacks", theirs, on.n), on, args.seed)
            sys.stdout.write(table.references([row])[-1] + "\n")
            sys.stdout.flush()
            holds = holds and row.holds
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
