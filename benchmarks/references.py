"""`make bench-references`: every duel on both models. Writes references.md; exit status 1 if a bound does not hold."""

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import table
from benchmarks.duel import run_duel
from benchmarks.duels import duels
from benchmarks.subjects import MODELS, Subject, draw_images, network

PAGE = Path(__file__).parent / "references.md"
PACKAGES = ("torch", "torchattacks", "foolbox", "adversarial-robustness-toolbox")
SEED = 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.references", description=__doc__)
    parser.add_argument("--only", default="", help="a regular expression on our attack's spec; the page is not written")
    parser.add_argument("--samples", type=int, help="images a duel; the page is not written")
    args = parser.parse_args(argv)
    chosen = [each for each in duels() if re.search(args.only, f"{each.ours} {each.threat}")]
    rows = []
    for line in table.references([]):
        sys.stdout.write(line + "\n")
    for name in MODELS:
        for duel in chosen:
            duel = replace(duel, n=args.samples or duel.n)
            on = Subject.of(name, network(name), *draw_images(duel.n, SEED))
            rows.append(run_duel(duel, on, SEED))
            sys.stdout.write(table.references(rows[-1:])[-1] + "\n")
            sys.stdout.flush()
    if not (args.only or args.samples):
        PAGE.write_text(table.page("References", table.LEGEND, table.references(rows), SEED, PACKAGES), "utf-8")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
