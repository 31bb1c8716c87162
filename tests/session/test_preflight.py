"""A model that is not worth attacking fails the tests that would attack it, at once; its checks are run once."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from torch import nn

from robust.evaluation.time_limit import Budget
from robust.records.trust import Finding, TrustReport
from robust.session.accuracy_tests import AccuracyTest, Commands
from robust.session.case import Case
from robust.session.curve_tests import CurveTest
from robust.session.preflight import Preflight
from robust.session.regression_tests import RegressionTest
from robust.session.trust_tests import TrustTest
from robust.trust.checks import FUTILE, PREFLIGHT, find_futile
from tests.session.making import data, samples, settings


@dataclass
class Item:
    nodeid: str = "net.py::test_attack"
    stash: dict = field(default_factory=dict)
    user_properties: list = field(default_factory=list)


class Once:
    """A stand-in for Ranks that counts the rounds in which they meet."""

    first = True

    def __init__(self):
        self.meetings = 0

    def once(self, work):
        self.meetings += 1
        return work()


class Known(Preflight):
    """A preflight whose findings are known, and accepted by their names."""

    def __init__(self, *findings, accepted=(), verdict="suspect"):
        parts = {"data": data(), "answers": None, "models": None, "ranks": Once(), "budget": Budget()}
        self.parts = SimpleNamespace(settings=settings(verdict=verdict), **parts)
        super().__init__(self.parts, show_bar=None)
        self.report = TrustReport(tuple(findings), tuple(accepted), (), (), 0.0)
        self.runs = 0

    def _examine(self, case, pace):
        self.runs += 1
        return self.report


def finding(name, grade="broken"):
    return Finding(name, grade, None, f"{name} is seen", f"mend {name}")


@pytest.fixture
def case():
    return Case(Item(), settings().everything[0], nn.Identity(), samples(), 0)


def refusal(preflight, case):
    with pytest.raises(pytest.fail.Exception) as failed:
        preflight.refuse_futile(case)
    return str(failed.value)


@pytest.mark.parametrize("name", FUTILE)
def test_a_fault_of_the_whole_model_is_the_reason_in_one_line_and_says_how_to_go_on(case, name):
    line = refusal(Known(finding(name)), case)

    assert line == (
        f"not attacked, since no figure could mean anything: {name}: {name} is seen; mend {name}; "
        f"or attack it all the same: --robust-accept={name}"
    )


def test_the_cause_is_told_before_what_it_leads_to_and_all_are_named(case):
    line = refusal(Known(finding("guessing"), finding("picture-order")), case)

    assert ": picture-order: picture-order is seen; mend picture-order; or" in line
    assert line.endswith("--robust-accept=picture-order,guessing")


@pytest.mark.parametrize(
    "preflight",
    [
        Known(),
        Known(finding("normalisation", "suspect"), finding("no-gradient")),
        Known(finding("guessing"), accepted=["guessing"]),
        Known(finding("guessing"), verdict=None),
    ],
    ids=["sound", "in doubt only", "accepted", "no verdict"],
)
def test_other_models_are_attacked(case, preflight):
    preflight.refuse_futile(case)

    assert preflight.runs == (preflight.parts.settings.verdict is not None)


def test_an_accepted_finding_does_not_accept_another():
    report = TrustReport((finding("guessing"), finding("normalisation")), ("guessing",), (), (), 0.0)

    assert [f.name for f in find_futile(report)] == ["normalisation"]
    assert {*FUTILE} <= {*PREFLIGHT.names()}


def test_a_model_is_checked_once_and_so_often_do_ranks_meet(case):
    preflight = Known(finding("guessing"))
    other = Case(case.item, case.variant, nn.Identity(), case.samples, 0)
    for each in (case, case, other):
        refusal(preflight, each)

    assert preflight.check(case) is preflight.report
    assert preflight.runs == preflight.parts.ranks.meetings == 2


def list_tests(preflight):
    """Return each test that would attack, on measurements that do not exist."""
    parts, baseline = preflight.parts, SimpleNamespace(selected=SimpleNamespace(baseline="latest"))
    accuracy = AccuracyTest(parts, None, preflight, None, Commands("", ""))
    regression = RegressionTest(parts, None, preflight, None, None, "", None)
    regression.selected = baseline.selected
    regression._find_row = lambda *_: SimpleNamespace(correct=None)
    check = SimpleNamespace(margin=SimpleNamespace(metric="robust_acc"), row="", threat="linf:0.15")
    return {
        "attack": lambda case: accuracy.test_attack(case, "fgsm", "linf:0.15"),
        "curve": lambda case: CurveTest(parts, None, preflight, None, None, accuracy).test_curve(case, "linf"),
        "suite": lambda case: accuracy.test_attack(case, "quick-1", "linf:0.15", is_suite=True),
        "trust": lambda case: TrustTest(parts, None, preflight).test_trust(case, "", "linf:0.15"),
        "regression": lambda case: regression.test_regression(case, check),
    }


@pytest.mark.parametrize("test", ["attack", "suite", "curve", "trust", "regression"])
def test_each_test_that_attacks_fails_before_it_measures_anything_and_leaves_no_row(case, test):
    preflight = Known(finding("normalisation"))
    with pytest.raises(pytest.fail.Exception, match=r"^not attacked, .*: normalisation: "):
        list_tests(preflight)[test](case)

    assert case.item.stash == {}
