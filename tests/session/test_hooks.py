"""The way from a test to the process that files: what reports carry, also from workers of pytest-xdist that may die."""

import json
from types import SimpleNamespace

import pytest

from robust.gates import Decision
from robust.session.case import DECISIONS, PAYLOADS, SAMPLES, WARNINGS
from robust.session.hooks import RobustSession
from robust.session.results import Results
from tests.session.making import attack, clean, samples, settings


def session(files):
    """Return the hooks of a process: of one that files, or of a worker."""
    run = SimpleNamespace(files=files, results=Results(), settings=settings(), config=None)
    found = RobustSession(run, selection=None)
    found._call_hook = lambda name, **arguments: []
    return found


def report_of(hooks, payload, *, when="call", skipped=False, nodeid="net.py::test_attack", decisions=(), warnings=()):
    """Return the report that the hooks make of a test that measured the payload."""
    stash = {PAYLOADS: [payload], SAMPLES: samples(), DECISIONS: [*decisions], WARNINGS: [*warnings]}
    item = SimpleNamespace(fixturenames=("_robust_run",), stash=stash, nodeid=nodeid)
    report = SimpleNamespace(when=when, skipped=skipped, nodeid=nodeid, location=("", None, "test"))
    wrapper = hooks.pytest_runtest_makereport(item)
    next(wrapper)
    with pytest.raises(StopIteration) as stopped:
        wrapper.send(report)
    return stopped.value.value


def sent(report):
    """Return the report as it comes out of a worker: through JSON."""
    return SimpleNamespace(**json.loads(json.dumps(vars(report))))


def test_labels_go_with_the_first_report_that_is_logged_and_no_other():
    worker = session(files=False)
    lost = report_of(worker, clean())  # of a test that another plugin runs again, without logging this report
    first = report_of(worker, clean())
    worker.pytest_runtest_logreport(first)
    second = report_of(worker, attack())

    assert lost.robust_labels == first.robust_labels
    assert [*first.robust_labels] == [samples().digest]
    assert second.robust_labels == {}


def test_the_controller_builds_a_row_from_the_reports_of_two_workers():
    controller, one, other = session(files=True), session(files=False), session(files=False)
    for worker, name in ((one, "fgsm"), (other, "pgd")):
        report = report_of(worker, attack(name, attacks=2))
        worker.pytest_runtest_logreport(report)
        controller.pytest_runtest_logreport(sent(report))

    (record,) = controller.run.results.list_records()
    assert [outcome.name for outcome in record.attacks] == ["fgsm", "pgd"]
    assert record.provenance["classes"]["n"] == [4, 4]


def test_a_worker_that_dies_takes_no_labels_with_it():
    controller, dying = session(files=True), session(files=False)
    dying.pytest_runtest_logreport(report_of(dying, clean()))  # and dies before the report is sent
    successor = session(files=False)
    controller.pytest_runtest_logreport(sent(report_of(successor, attack())))

    assert len(controller.run.results.list_records()) == 1


def test_decisions_and_warnings_come_with_the_report_and_of_a_test_that_runs_again_the_last_count():
    controller, worker = session(files=True), session(files=False)
    for ruling in ("inconclusive", "holds"):
        report = report_of(worker, attack(), decisions=[Decision(ruling, "so")], warnings=["read me"])
        controller.pytest_runtest_logreport(sent(report))

    assert controller.run.results.decisions == {"net.py::test_attack": [Decision("holds", "so")]}
    assert [*controller.run.results.warnings] == ["read me"]


def test_setup_and_teardown_and_tests_without_the_model_carry_nothing():
    worker = session(files=False)

    assert not hasattr(report_of(worker, clean(), when="setup"), "robust")
    report = SimpleNamespace(when="call", nodeid="test_own.py::test_own")
    session(files=True).pytest_runtest_logreport(report)
