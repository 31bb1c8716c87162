"""The cost of the checks of a row, counted by the model itself, beside what its attacks cost."""

import json
from collections import Counter

import pytest

from robust.records.record import Record

COUNTING = """
import os
from net import make as plain
from torch import is_grad_enabled, nn

FILE = os.open("passes.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = plain()

    def forward(self, x):
        test = os.environ.get("PYTEST_CURRENT_TEST", "start").split("::")[-1].split(" ")[0]
        passes = len(x) * (3 if is_grad_enabled() and x.requires_grad else 1)
        os.write(FILE, f"{test} {passes}\\n".encode())
        return self.net(x)

def make():
    return Counting()
"""


MANY, SLACK = 50, 1.05  # with fewer samples the least numbers of samples and steps of each check come to a little more


@pytest.mark.parametrize(
    ("n", "most"), [(16, {"quick-1": 1.0}), (60, {"quick-1": 1.0, "standard-1": 0.25})], ids=["16", "60"]
)
def test_all_checks_take_their_share_of_the_passes_of_a_suite(run, folder, n, most):
    (folder / "counting.py").write_text(COUNTING)
    suites = [f"--robust-suite={name}" for name in most]

    result = run("--robust-model=counting.py:make", *suites, f"--robust-samples={n}", fast=False, checked=True)

    result.assert_outcomes(passed=2 + 2 * len(most))
    share = ", or 16 of a sample"
    told = [f"{100 * part:.0f} % of the passes of {name}{share}" for name, part in most.items()]
    result.stdout.fnmatch_lines([f"robust: checks take up to {'; '.join(told)}"])
    passes = Counter()
    for test, count in (line.split(" ") for line in (folder / "passes.txt").read_text().splitlines()):
        passes[test] += int(count)
    for name, part in most.items():
        suite, checks = (passes[f"test_{kind}[{name}-linf-0.15]"] for kind in ("suite", "trust"))
        assert 0 < passes["test_preflight"] + checks <= part * suite * (1 if n > MANY else SLACK)
    for path in (folder / "leaderboard" / "results").rglob("*.json"):
        found = Record.from_json(path.read_text())
        told = {entry["name"]: entry for entry in json.loads(path.read_text())["trust"]["parts"]}
        assert {"nondeterministic", "labels-win", "wrong-gradient"} <= told.keys()
        measured = passes["test_preflight"] + passes[f"test_trust[{found.suite}-linf-0.15]"]
        assert sum(entry["passes"] for entry in told.values()) == pytest.approx(measured, rel=0.15)
