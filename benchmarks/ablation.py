"""What each stage of a suite is good for: what it finds alone, and what nothing else in the suite does."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import table
from benchmarks.duel import campaign
from benchmarks.subjects import BOUTS, Bout
from robust.attacks import LpThreat
from robust.attacks.suite import Suite, read_suite
from robust.evaluation.suite_run import narrow_threat

ON = ("pgd-at", "pgd-at-l2")
N = 200
HEADS = ("model", "threat", "stage", "on", "finds alone", "only it finds")


def ablation(name: str, seed: int) -> list[str]:
    """Alone a stage is on all samples, however many it is for in the suite. Counts are of N pictures."""
    suite = read_suite(name, Path())
    rows = [row for bout in BOUTS if bout.name in ON for row in _rows(bout, suite, seed)]
    return table.markdown(HEADS, rows, words=4)


def _rows(bout: Bout, suite: Suite, seed: int) -> list[list[str]]:
    on, threat = bout.subject(N, seed), LpThreat.parse(bout.threat)
    stages = tuple(stage for stage in suite.stages if narrow_threat(threat, stage))
    whole, rows = campaign(on, Suite("whole", stages), threat, seed).adversarial, []
    for k, stage in enumerate(stages):
        rest = Suite("rest", stages[:k] + stages[k + 1 :])
        alone = campaign(on, Suite("alone", (replace(stage, hardest=1.0, follow=False),)), threat, seed).adversarial
        only = int(np.sum(whole & ~campaign(on, rest, threat, seed).adversarial))
        rows.append([bout.name, bout.threat, f"`{stage.attack}`", f"{stage.hardest:.0%}", str(alone.sum()), str(only)])
    return rows
