"""The findings on what a run had no time for."""

import numpy as np
import pytest

from robust.evaluation.measure import AttackResult
from robust.evaluation.time_limit import TIME
from robust.records.attack_outcome import StageOutcome
from robust.records.trust import TrustReport
from robust.session.trust_tests import _note_unfinished

STAGE = StageOutcome("fgsm", 4, 1, 4, 4, 0.1)


def result(name, *stages, partial=TIME):
    x_adv = np.zeros((0, 2), np.float32)
    return AttackResult(name, {}, np.zeros(4, bool), x_adv, 0, np.zeros(4, np.int8), 1, 1, 0.1, stages, partial)


@pytest.mark.parametrize(
    ("found", "is_suite", "elsewhere", "name", "message"),
    [
        (result("quick-1"), True, [], "unattacked", "quick-1 was stopped by the time before its first stage ended: *"),
        (result("pgd"), False, [], "unattacked", "pgd was stopped by the time before it ended: *"),
        (result("quick-1", STAGE), True, [], "stopped", "quick-1 was stopped by the time after stage 1; *"),
        (
            result("quick-1"),
            True,
            ["quick-1"],
            "not-run",
            "not run for lack of time: quick-1 again for the checks, binarisation",
        ),
    ],
)
def test_what_was_stopped_makes_a_row_suspect_and_says_where(found, is_suite, elsewhere, name, message):
    not_run = ("binarisation",) if elsewhere else ()
    report = _note_unfinished(TrustReport((), (), (), (), 0.1, not_run), [found], elsewhere, is_suite)

    (finding,) = report.findings
    assert finding.name == name
    assert finding.message.startswith(message.removesuffix("*"))
    assert report.verdict == "suspect"


def test_where_there_was_time_nothing_is_added():
    report = TrustReport((), (), (), (), 0.1)

    assert _note_unfinished(report, [result("quick-1", STAGE, partial="")], [], is_suite=True) == report
