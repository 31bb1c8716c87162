"""test_preflight and test_trust, as a user meets them."""

import json

import numpy as np
import pytest

from robust.flags import union
from robust.records.record import Record
from robust.records.trust import Finding
from robust.trust.checks import INDICATORS

NOISY = """
import numpy
from net import make as plain
from torch import nn

class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = plain()

    def forward(self, x):
        return self.net(x) * (1 + 0.01 * float(numpy.random.randn()))

def make():
    return Noisy()
"""


@pytest.fixture
def noisy(folder):
    (folder / "noisy.py").write_text(NOISY)
    return "--robust-model=noisy.py:make"


def row(folder):
    (path,) = (folder / "leaderboard" / "results").rglob("*.json")
    return Record.from_json(path.read_text())


def test_an_honest_model_is_trusted(run, folder):
    result = run("--robust-model=net.py:make", "-v", checked=True)

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(
        ["net.py::test_preflight PASSED*", "net.py::test_trust[[]linf-0.15] PASSED*", "*verdict", "*trusted"]
    )
    found = row(folder)
    assert found.verdict == "trusted"
    assert {"nondeterministic", "noise-wins"} <= {*found.trust.checked}


def test_what_is_wrong_fails_by_name_with_a_hint(run, noisy):
    result = run(noisy, checked=True)

    result.stdout.fnmatch_lines(
        ["nondeterministic: logits of the same inputs differ *", "*--robust-accept=nondeterministic*"]
    )
    assert result.ret == 1


def test_what_is_accepted_passes_and_stays_in_sight(run, folder, noisy):
    result = run(noisy, "--robust-accept=nondeterministic", "-k", "preflight or trust or fgsm", checked=True)

    result.stdout.fnmatch_lines(["*broken, accepted: nondeterministic: *"])
    text = next((folder / "leaderboard" / "results").rglob("*.json")).read_text()
    assert Record.from_json(text).trust.accepted == ("nondeterministic",)
    assert Record.from_json(text).to_json() == text
    assert "nondeterministic" in (folder / "leaderboard" / "results.csv").read_text()


@pytest.mark.parametrize(("allowed", "status"), [("trusted", 1), ("suspect", 0)])
def test_a_suspect_row_fails_where_only_a_trusted_one_passes(run, folder, allowed, status):
    with INDICATORS.adding("odd", lambda probe: Finding("odd", "suspect", 1.0, "it is odd", "look again")):
        result = run("--robust-model=net.py:make", f"--robust-verdict={allowed}", checked=True)

    assert result.ret == status
    result.stdout.fnmatch_lines(["net (as-is), linf:0.15: suspect: odd: it is odd; look again"])


def test_without_the_checks_the_row_says_so(run, folder):
    run("--robust-model=net.py:make", "-k", "attack", checked=True)
    assert row(folder).verdict == ""

    run("--robust-model=net.py:make", checked=True)
    assert row(folder).verdict == "trusted"

    run("--robust-model=net.py:make", "--robust-verdict=none", checked=True)
    assert row(folder).verdict == "trusted"
    assert "checked" in json.loads(next((folder / "leaderboard" / "results").rglob("*.json")).read_text())["trust"]


COLD = """
from net import make as plain
from torch import nn

class Cold(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = plain()

    def forward(self, x):
        return (1000 * self.net(x)).softmax(1)

def make():
    return Cold()
"""


def test_a_row_in_doubt_carries_a_mitigated_attack_and_its_worst_case_counts(run, folder):
    (folder / "cold.py").write_text(COLD)
    result = run("--robust-model=cold.py:make", checked=True)
    found = row(folder)
    plain, mitigated = (
        {a.name: (found.correct & ~a.adversarial).sum() for a in found.attacks}[k] for k in ("pgd:steps=5", "mitigated")
    )

    without, n = (found.correct & ~union(a.adversarial for a in found.planned)).sum(), found.data.n
    told = f"{without / n:.1%} robust without, {found.robust.sum() / n:.1%} with it"
    result.stdout.fnmatch_lines([f"cold (as-is), linf:0.15: mitigated by blur, inner-logits, queries: {told}"])
    assert found.suite == "fgsm+pgd-steps5"
    assert "inner-logits" in found.attacks[-1].options["mitigations"]
    assert mitigated < plain - 10
    assert found.robust.sum() <= mitigated
    assert ",mitigated," in (folder / "leaderboard" / "results.csv").read_text()
    assert "mitigated" in (folder / "leaderboard" / "README.md").read_text()

    run("--robust-model=cold.py:make", checked=True)
    assert not (folder / "leaderboard" / "history").exists()


def test_the_floor_of_an_only_attack_is_held_by_the_row_with_the_mitigated_search_in_it(run, folder):
    (folder / "cold.py").write_text(COLD)
    args = ("--robust-model=cold.py:make", "--robust-attack=pgd:steps=5", "--robust-samples=60")
    result = run(*args, "--robust-fail-under=pgd:50", "-v", fast=False, checked=True)

    result.stdout.fnmatch_lines(
        ["*test_attack[[]pgd-*PASSED*", "FAILED cold (as-is), linf:0.15: robust accuracy * is below the required 50 %*"]
    )


PART = """
from net import make as plain
from torch import nn

class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = plain()

    def forward(self, x):
        return self.net(x)[:, {classes}]

def make():
    return Part()
"""


def test_what_there_was_no_time_for_is_named_and_the_row_is_suspect(run, folder):
    result = run(
        "--robust-model=net.py:make",
        "--robust-samples=60",
        "--robust-suite=quick-1",
        "--robust-time=0.000001s",
        fast=False,
        checked=True,
    )

    found = row(folder)
    assert found.partial == "time"
    assert {"noise-wins", "more-steps-pay"} <= {*found.trust.not_run}
    assert not {*found.trust.not_run} & {*found.trust.checked, *found.trust.skipped}
    assert "not-finite" in found.trust.not_run  # of test_preflight
    assert found.verdict == "suspect"
    result.stdout.fnmatch_lines(["*: suspect: not-run: not run for lack of time: *noise-wins*; give it more time*"])


@pytest.mark.parametrize("only", ["3+5", "3+5+8"])
def test_a_suite_is_checked_on_a_model_of_two_or_three_classes(run, folder, only):
    """Its attacks have more targets than there are other classes, and are run with those that there are."""
    classes = [int(label) for label in only.split("+")]
    (folder / "part.py").write_text(PART.format(classes=classes))
    run(
        *("--robust-model=part.py:make", f"--robust-data=digits:only={only}", "--robust-samples=40"),
        *("--robust-suite=standard-1", "--robust-threat=l1:1", "-k", "l1"),
        fast=False,
        checked=True,
    )

    assert not [doubt.message for doubt in row(folder).trust.findings]


def test_the_signs_see_the_outcomes_of_the_samples_that_they_look_at(run, folder):
    """Also where there are more samples than are looked at."""
    seen = []
    with INDICATORS.adding("seen", seen.append):
        run("--robust-model=net.py:make", "--robust-samples=400", "--robust-attack=fgsm", fast=False, checked=True)

    (trial,), found = seen, row(folder)
    with np.load(next((folder / "leaderboard" / "results").rglob("*.npz"))) as evidence:
        rows = np.searchsorted(evidence["index"], trial.samples.index)
        assert (evidence["y"][rows] == trial.samples.y).all()
    assert len(rows) == 256
    assert rows.max() > 300
    assert (found.correct[rows] == trial.correct).all()
    assert (found.attacks[0].adversarial[rows] == trial.adversarial).all()
