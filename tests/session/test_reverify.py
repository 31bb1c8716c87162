"""The finding of a row where no fresh process could look at its inputs."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from robust.data.dataset import Samples
from robust.records.record import Record
from robust.records.trust import Finding
from robust.report.board import boards
from robust.report.csv import wide_table
from robust.report.markdown import markdown
from robust.report.page.page import page
from robust.report.terminal import describe_findings, terminal
from robust.session import reverify as module
from robust.session.reverify import UNFILED, _not_done, judge_reverified, reverify
from robust.session.summary import describe_verified
from robust.verification.check import Verification
from robust.verification.fresh_process import Afresh, NotDoneError, Source
from tests.making import evidence
from tests.session.making import TRUSTED, attack, data, results, setup, trust


class Numbered(Samples):
    """Samples with a digest that is given."""

    digest = ""


SOURCE = Source("net.py:make", ".", None, ".", None, (2,), 2, "", None, 0, "cpu")
RANDOM = Finding("nondeterministic", "broken", None, "", "")


def checked(**changes):
    """Return the results and the only key of a row that was checked; `changes` are of its attack's payload."""
    given = replace(attack(judged=True), setup=setup(source=SOURCE))
    found = results(replace(given, **changes), trust())
    return found, *found.list_keys()


def ask(record, source=SOURCE, *, digest=None, n=3, logits=None):
    run = data()
    run.dataset = SimpleNamespace(lo=0.0, hi=1.0)
    run.samples = Numbered(run.samples.x, run.samples.y, run.samples.index)
    run.samples.digest = digest or record.data.digest
    return reverify(run, n, replace(attack(), setup=setup(source=source)), record, evidence(record), logits)


@pytest.fixture
def record():
    found, key = checked()
    return found.get_record(key)


@pytest.mark.parametrize(
    ("given", "change", "reason"),
    [
        ({"source": "the model is the test's own"}, {}, "the model is the test's own"),
        ({"digest": "other"}, {}, "the samples are the test's own"),
        ({}, {"trust": replace(TRUSTED, findings=(RANDOM,))}, "the model draws at random"),
    ],
)
def test_what_the_user_chose_to_be_so_is_a_note(record, given, change, reason):
    found = ask(replace(record, **change), **given)

    assert found.provenance == {"fresh": 0, "reason": reason}
    assert (found.finding.name, found.finding.grade) == ("fresh-process", "trusted")
    assert reason in found.finding.message


def test_a_process_that_fails_makes_the_row_suspect(record, monkeypatch):
    def fail(*_):
        raise NotDoneError("net.py:make failed: OSError: made before")

    monkeypatch.setattr(module, "verify_afresh", fail)
    found = ask(record)

    assert found.provenance == {"fresh": 0, "reason": "net.py:make failed: OSError: made before"}
    assert found.finding.grade == "suspect"


def test_where_nothing_is_asked_for_or_nothing_adversarial_there_is_nothing_to_say(record):
    robust = replace(record, attacks=tuple(replace(one, adversarial=np.zeros(8, bool)) for one in record.attacks))

    assert ask(record, n=0).finding is None
    assert ask(robust, source="the model is the test's own").finding is None


def test_what_was_done_is_no_finding(record, monkeypatch):
    clean = Verification(np.zeros(2, np.int8), *np.zeros((2, 2), bool))
    monkeypatch.setattr(module, "verify_afresh", lambda *_: Afresh(clean, None))

    assert ask(record).provenance == {"fresh": 2, "edge": 0}
    assert ask(record).finding is None


LOGITS = ((0.0, 10.0), (10.0, 0.0))  # of this process


def answer_afresh(monkeypatch, logits):
    """Let the fresh process find nothing wrong, and answer the inputs nearby so; return what it is asked."""
    asked = []

    def verify_afresh(source, candidates, weights, nearby, data):
        asked.append(nearby)
        good = Verification(np.zeros(len(candidates.y), np.int8), *np.zeros((2, len(candidates.y)), bool))
        return Afresh(good, None if nearby is None else np.array(logits))

    monkeypatch.setattr(module, "verify_afresh", verify_afresh)
    return asked


def test_an_answer_that_is_another_in_a_fresh_process_is_broken(record, monkeypatch):
    answer_afresh(monkeypatch, ((0.0, 10.0), (10.0, 0.31)))
    found = ask(record, logits=LOGITS)

    assert (found.finding.name, found.finding.grade) == ("fresh-process", "broken")
    assert found.finding.value == pytest.approx(0.031)
    assert found.finding.message == (
        "a fresh process, which had seen no sample, answers inputs near 2 of them otherwise: the logits differ by up "
        "to 0.031 times their range; expected at most 0.03"
    )
    assert "no counter, clock, cache" in found.finding.hint
    assert found.provenance == {"fresh": 2, "edge": 0}


@pytest.mark.parametrize("logits", [LOGITS, ((0.0, 10.29), (10.0, 0.0))])
def test_answers_that_differ_by_rounding_are_no_finding(record, monkeypatch, logits):
    answer_afresh(monkeypatch, logits)

    assert ask(record, logits=LOGITS).finding is None


def test_without_adversarial_inputs_the_answers_are_compared_all_the_same(record, monkeypatch):
    robust = replace(record, attacks=tuple(replace(one, adversarial=np.zeros(8, bool)) for one in record.attacks))
    asked = answer_afresh(monkeypatch, LOGITS[::-1])

    assert ask(robust, logits=LOGITS).finding.grade == "broken"
    assert [nearby.shape for nearby in asked] == [(8, 2)]


def test_without_answers_of_this_process_none_are_asked_for(record, monkeypatch):
    asked = answer_afresh(monkeypatch, None)

    assert ask(record).finding is None
    assert asked == [None]


def test_answers_are_not_compared_where_none_are_asked_for(record, monkeypatch):
    asked = answer_afresh(monkeypatch, LOGITS[::-1])

    assert ask(record, n=0, logits=LOGITS).finding is None
    assert asked == []


def noted(grade):
    found, key = checked()
    return found.add_reverified(key, _not_done("the model is loaded by a hook", grade, "hint"))


@pytest.mark.parametrize(("grade", "verdict", "shown"), [("trusted",) * 2 + ("trusted*",), ("suspect",) * 3])
def test_it_is_seen_wherever_a_verdict_is(grade, verdict, shown):
    record = noted(grade)
    board = boards([record])

    assert record.verdict == verdict
    assert shown in terminal(board[0], 200)
    assert f"{grade}: fresh-process: no input was shown to the model in a fresh process: " in "".join(
        describe_findings(record)
    )
    assert f"| {shown} |".replace("*", r"\*") in markdown(board)
    assert f">{shown}</span>" in page(board, {})
    assert f"fresh-process ({grade})" in page(board, {})
    line = wide_table(board)[1][0]
    assert (line["verdict"], line["doubts"]) == (verdict, "fresh-process")
    assert json.loads(record.to_json())["trust"]["doubts"][0]["grade"] == grade
    assert Record.from_json(record.to_json()).trust == record.trust


@pytest.mark.parametrize(
    ("grade", "allowed", "fails"),
    [
        ("suspect", "trusted", True),
        ("suspect", "suspect", False),
        ("trusted", "trusted", False),
        ("suspect", None, False),
    ],
)
def test_it_fails_where_only_trusted_rows_pass(grade, allowed, fails):
    assert bool(judge_reverified(noted(grade), allowed)) == fails


def test_a_test_that_runs_again_with_the_same_outcomes_keeps_what_was_said():
    found, key = checked()
    found.add_reverified(key, _not_done("reason", "trusted", "hint"))
    found.take(replace(attack(judged=True), setup=setup(source=SOURCE)))

    assert [finding.name for finding in found.get_record(key).trust.findings] == ["fresh-process"]


def test_a_row_that_was_not_checked_says_it_in_its_provenance_alone():
    found = results(attack())
    (key,) = found.list_keys()

    record = found.add_reverified(key, _not_done("reason", "trusted", "hint"))
    assert record.trust is None
    assert record.provenance["verified"]["reason"] == "reason"


def test_a_run_that_files_no_row_has_no_finding():
    found, key = checked()
    record = found.add_reverified(key, UNFILED)

    assert record.trust.findings == ()
    assert describe_verified([record])[1:] == [
        "not in a fresh process: net (as-is), linf:0.15: there is no leaderboard, for whose rows this is done"
    ]
    assert describe_verified([record, record])[1].startswith("not in a fresh process: 2 rows: there is no leaderboard")
    assert describe_verified([noted("suspect")])[1:] == []
