"""The use of each stage of a suite: what it finds alone, and what no other stage finds."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import table
from benchmarks.duel import run_suite
from benchmarks.subjects import CASES, Case
from robust.attacks import LpThreat
from robust.attacks.suite import Suite, read_suite
from robust.evaluation.suite_run import narrow_threat

ON = ("pgd-at", "pgd-at-l2")
N = 200
HEADS = ("model", "threat", "stage", "on", "finds alone", "only it finds")


def ablation(name: str, seed: int) -> list[str]:
    """Return the table of stages. Alone, a stage attacks all samples, also if the suite runs it on fewer; N images."""
    suite = read_suite(name, Path())
    rows = [row for case in CASES if case.name in ON for row in _rows(case, suite, seed)]
    return table.markdown(HEADS, rows, words=4)


def _rows(case: Case, suite: Suite, seed: int) -> list[list[str]]:
    on, threat = case.subject(N, seed), LpThreat.parse(case.threat)
    stages = tuple(stage for stage in suite.stages if narrow_threat(threat, stage))
    whole, rows = run_suite(on, Suite("whole", stages), threat, seed).adversarial, []
    for k, stage in enumerate(stages):
        rest = Suite("rest", stages[:k] + stages[k + 1 :])
        alone = run_suite(on, Suite("alone", (replace(stage, hardest=1.0, follow=False),)), threat, seed).adversarial
        only = int(np.sum(whole & ~run_suite(on, rest, threat, seed).adversarial))
        rows.append([case.name, case.threat, f"`{stage.attack}`", f"{stage.hardest:.0%}", str(alone.sum()), str(only)])
    return rows
