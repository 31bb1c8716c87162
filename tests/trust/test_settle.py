"""Doubts about gradients are settled by what an attack with mitigations broke; all other findings stay."""

from dataclasses import replace

import numpy as np
import pytest

from robust.evaluation.measure import AttackResult
from robust.records.trust import Finding, TrustReport
from robust.trust.checks import INDICATORS, PREFLIGHT
from robust.trust.settle import SETTLED, Tried, is_outdone, needs_all, settle

DOUBT = Finding("wrong-gradient", "suspect", 0.9, "the gradient mispredicts its slopes", "look for detach")


def report(*findings, accepted=()):
    return TrustReport(findings, accepted, ("wrong-gradient",), (), 0.1)


def tried(broken, n=200, tried=20, names=("true-gradient", "blur")):
    return Tried(names, broken, tried, n)


@pytest.mark.parametrize("broken", [0, 4])
@pytest.mark.parametrize("grade", ["suspect", "broken"])
def test_a_doubt_is_dismissed_where_no_more_than_tolerance_falls(broken, grade):
    settled = settle(report(replace(DOUBT, grade=grade)), tried(broken))

    (finding,) = settled.findings
    assert settled.verdict == finding.grade == "trusted"
    assert (finding.name, finding.value, finding.message) == (DOUBT.name, DOUBT.value, DOUBT.message)
    assert finding.hint == (
        f"dismissed: an attack with true-gradient, blur broke {broken} of 20 samples that the row's attacks left "
        "robust; expected at most 2 %"
    )


@pytest.mark.parametrize("grade", ["suspect", "broken"])
def test_a_doubt_is_confirmed_where_more_falls(grade):
    settled = settle(report(replace(DOUBT, grade=grade)), tried(5))

    (finding,) = settled.findings
    assert settled.verdict == finding.grade == "broken"
    assert finding.message == (
        "the gradient mispredicts its slopes; an attack with true-gradient, blur broke 5 of 20 samples that the row's "
        "attacks left robust"
    )
    assert finding.hint == DOUBT.hint


@pytest.mark.parametrize(
    "finding",
    [
        replace(DOUBT, weak=True),
        replace(DOUBT, grade="trusted"),
        Finding("gradient-free-wins", "broken", 0.1, "square found more", "hint"),
        Finding("duplicates", "suspect", 0.5, "copies", "hint"),
        Finding("fresh-process", "suspect", None, "not shown", "hint"),
    ],
    ids=["weak", "note", "evidence", "samples", "elsewhere"],
)
@pytest.mark.parametrize("broken", [0, 50])
def test_what_an_attack_cannot_settle_stays(finding, broken):
    assert settle(report(finding), tried(broken)) == report(finding)


def test_the_rest_of_a_report_stays():
    whole = report(DOUBT, accepted=("wrong-gradient",))

    assert replace(settle(whole, tried(0)), findings=()) == replace(whole, findings=())


def test_every_name_is_a_check():
    assert {*INDICATORS.names(), *PREFLIGHT.names()} >= SETTLED


def test_it_is_taken_from_the_result_of_the_attack():
    found = AttackResult(
        attack="mitigated",
        options={"mitigations": ["secant"], "samples": 12},
        adversarial=np.array([True, False, True, True]),
        x_adv=np.zeros((3, 2), np.float32),
        faulty=0,
        fault=np.zeros(4, np.int8),
        forwards=0,
        backwards=0,
        seconds=0.0,
    )

    assert Tried.of(found) == Tried(("secant",), 3, 12, 4)
    assert str(Tried.of(found)) == "an attack with secant broke 3 of 12 samples"
    assert str(tried(0, names=())) == "an attack with no mitigation broke 0 of 20 samples"


@pytest.mark.parametrize(
    ("name", "grade", "expected"),
    [
        ("no-gradient", "broken", True),
        ("wrong-gradient", "suspect", False),
        ("memorised", "broken", False),
    ],
)
def test_what_is_broken_by_its_own_evidence_is_dismissed_on_all_samples_alone(name, grade, expected):
    """An ensemble that saturates was once trusted: none of the ten samples that were tried fell, and a fifth of all."""
    assert needs_all(report(replace(DOUBT, name=name, grade=grade))) == expected


@pytest.mark.parametrize(
    ("name", "grade", "expected"),
    [("hidden-logits-win", "broken", True), ("labels-win", "suspect", False), ("zero-gradient", "broken", False)],
)
def test_only_another_attack_shows_that_more_falls(name, grade, expected):
    assert is_outdone(report(replace(DOUBT, name=name, grade=grade))) == expected
