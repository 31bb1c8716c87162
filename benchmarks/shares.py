"""`make bench-profile`: where the processor time of PGD goes, printed as a table."""

import cProfile
import pstats
import sys
from collections import defaultdict

from benchmarks import table
from benchmarks.subjects import MODELS, draw_images, network
from benchmarks.timing import CLOCK
from robust.attacks import PGD, LpThreat, assail

# Whose own time, that of the torch functions it calls included, is which part: by folder or file and function. The
# first that fits counts; an empty name fits all.
PARTS = (
    ("torch/autograd/", "", "gradient"),
    ("torch/nn/functional.py", "cross_entropy", "loss"),
    ("torch/nn/", "", "forward pass"),
    ("attacks/losses.py", "", "loss"),
    ("attacks/criteria/", "loss", "loss"),
    ("attacks/criteria/", "", "judging"),
    ("attacks/zoo/pgd.py", "", "telling cycles"),
    ("attacks/threats/", "admits", "judging"),
    ("attacks/threats/", "size", "judging"),
    ("attacks/geometry.py", "", "judging"),
    ("attacks/engine.py", "judge", "judging"),
    ("attacks/threats/", "sample", "random start"),
    ("attacks/threats/", "", "step and projection"),
    ("attacks/rng.py", "only", "dropping samples"),
    ("attacks/rng.py", "", "random start"),
    ("attacks/task.py", "only", "dropping samples"),
    ("attacks/engine.py", "<listcomp>", "dropping samples"),
    ("", "", "all else"),
)

Function = tuple[str, int, str]  # file, line, name; the file of what is not Python is "~"


def part_of(function: Function) -> str:
    path, _, name = function
    place = path.replace("\\", "/")
    return next(part for where, called, part in PARTS if where in place and called in ("", name))


def shares(profile: cProfile.Profile) -> dict[str, float]:
    """Return the share of each part in percent, the largest first."""
    percents: dict[str, float] = defaultdict(float)
    for function, (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if function[0] != "~":
            percents[part_of(function)] += own
            continue
        for caller, (_, _, within, _) in callers.items():
            percents[part_of(caller)] += within
    total = sum(percents.values())
    return {part: 100 * percents[part] / total for part in sorted(percents, key=lambda part: -percents[part])}


def main() -> int:
    x, y = draw_images(1000, 0)
    for name in MODELS:
        model, ball, attack = network(name), LpThreat.parse("linf:0.1"), PGD(steps=40)
        assail(model, attack, x[:10], y[:10], ball)  # what is loaded on first use
        profile = cProfile.Profile(CLOCK)
        profile.runcall(assail, model, attack, x, y, ball)
        rows = ([part, f"{share:.1f}"] for part, share in shares(profile).items())
        lines = table.markdown((f"PGD, 40 steps, {name}", "% of the time"), rows, words=1)
        sys.stdout.write("\n".join([*lines, "", ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
