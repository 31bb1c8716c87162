"""`make bench-stages`: the use of each stage of standard-1, five seeds, and twenty kills. Writes stages.md.

The exit status is 1 if a bound does not hold. The networks are those that the suite was first chosen on.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import table
from benchmarks.duel import run_suite
from benchmarks.kills import kills
from benchmarks.subjects import CASES, Case
from robust.attacks import LpThreat
from robust.attacks.suite import Stage, Suite, read_suite
from robust.evaluation.suite_run import narrow_threat

PAGE = Path(__file__).parent / "stages.md"
SUITE, SEED = "standard-1", 0
ON = ("maxpool", "tanh", "mart-mlp")  # of the half that the suite is chosen on
N = 300
SEEDS, N_SEEDS, SPREAD = 5, 500, 0.4  # points by which figures may differ
HEADS = ("model", "threat", "stage", "for", "finds alone", "only it finds")


LEGEND = (
    f"Stages: alone, a stage attacks all of {N} images to choose by, also if the suite runs it on fewer: those with so "
    "much of the clean margin left, or the hardest. Only it finds is how many more the suite without it leaves; it is "
    "below 0 where it leaves fewer, by chance. The eps leaves about a quarter of the images. Seeds: the robust "
    f"accuracy in percent of {N_SEEDS} test images, with {SEEDS} seeds of the attacks."
)


def main() -> int:
    """Measure and write the page; return 1 if a bound does not hold."""
    cases = [case for case in CASES if case.half == "chosen-on"]
    parts = {"Stages": ablation(SUITE, SEED), "Seeds": seeds(cases), "Kills": kills(SUITE)}
    lines = [line for title, part in parts.items() for line in ("", f"## {title}", "", *part)]
    PAGE.write_text(table.page(f"The stages of {SUITE}", LEGEND, lines[1:], SEED, ("torch",)), "utf-8")
    sys.stdout.write(PAGE.read_text("utf-8"))
    return 1 if any("**no**" in line for line in lines) else 0


def ablation(name: str, seed: int) -> list[str]:
    """Return the table of stages: what each finds alone, and what no other finds."""
    suite = read_suite(name, Path())
    rows = [row for case in CASES if case.name in ON for row in _rows(case, suite, seed)]
    return table.markdown(HEADS, rows, words=4)


def _rows(case: Case, suite: Suite, seed: int) -> list[list[str]]:
    on, threat = case.subject(N, seed, held_out=True), LpThreat.parse(case.threats[-1])
    stages = tuple(stage for stage in suite.stages if narrow_threat(threat, stage))
    whole, rows = run_suite(on, Suite("whole", stages), threat, seed).adversarial.sum(), []
    for k, stage in enumerate(stages):
        rest = stages[:k] + stages[k + 1 :]
        everywhere = replace(stage, hardest=1.0, near=1.0, follow=False, onward=False)
        alone = run_suite(on, Suite("alone", (everywhere,)), threat, seed).adversarial.sum()
        only = whole - run_suite(on, Suite("rest", rest), threat, seed).adversarial.sum()
        rows.append([case.name, str(threat), f"`{stage.attack}`", _share(stage), f"{alone}", f"{only}"])
    return rows


def _share(stage: Stage) -> str:
    """Return which samples the suite runs a stage on."""
    hardest = "all" if stage.hardest == 1 else f"hardest {stage.hardest:.0%}"
    near = f"{stage.near:.0%} left" if stage.near < 1 else hardest
    return near + ", where the last one paid" * stage.follow


def seeds(cases: Sequence[Case]) -> list[str]:
    """Return the table of robust accuracies for several seeds of the attacks, on the same images."""
    rows, widest = [], 0.0
    for case in cases:
        on = case.subject(N_SEEDS, SEED)
        adversarial = (run_suite(on, SUITE, LpThreat.parse(case.threat), seed).adversarial for seed in range(SEEDS))
        figures = [100 * int(np.sum(~flags)) / N_SEEDS for flags in adversarial]
        widest = max(widest, max(figures) - min(figures))
        rows.append([case.name, case.threat, *(f"{figure:.1f}" for figure in figures)])
    heads = ("model", "threat", *(f"seed {seed}" for seed in range(SEEDS)))
    holds = "yes" if round(widest, 6) <= SPREAD else "**no**"
    return [*table.markdown(heads, rows, words=2), "", f"- five seeds differ by at most {widest:.1f} points: {holds}"]


if __name__ == "__main__":
    sys.exit(main())
