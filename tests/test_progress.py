"""The progress of a run: a line every so often where there is no terminal, with what is done and the time left."""

import re
import time

import pytest

from robust import progress
from robust.evaluation.suite_run import SuiteProgress
from robust.progress import TrainingBar, open_bar, open_training_bar, watch_suite
from robust.train.plan import Plan
from robust.train.validate import Epoch

LINE = r"net, checks: margin-wins, 50%, 0:0\d so far, about 0:0\d left\n"


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.05)


@pytest.mark.usefixtures("often")
def test_where_there_is_no_terminal_a_line_tells_what_runs_and_how_long_yet(capfd):
    with open_bar("net, checks") as bar:
        bar.show("cheap", 0.0)
        bar.show("margin-wins", 0.5)
        time.sleep(0.2)

    lines = capfd.readouterr().err.splitlines(keepends=True)
    assert lines
    assert all(re.fullmatch(LINE, line) for line in lines)


@pytest.mark.usefixtures("often")
def test_a_part_that_says_nothing_still_tells_that_it_runs(capfd):
    with open_bar("net, clean accuracy"):
        time.sleep(0.2)

    assert re.match(r"net, clean accuracy, 0:00 so far\n", capfd.readouterr().err)


@pytest.mark.usefixtures("often")
def test_another_rank_is_silent(capfd):
    with open_training_bar("training pgd-at", shown=False) as bar:
        bar.show_resumed(2, Plan(epochs=3))
        time.sleep(0.2)

    assert capfd.readouterr().err == ""


def test_a_training_says_that_it_goes_on_and_that_it_is_kept(capfd):
    with open_training_bar("training pgd-at") as bar:
        bar.show_resumed(2, Plan(epochs=3))
        bar.show_interrupted()

    kept = "interrupted; it is kept, and the same command goes on from the last epoch, or the last minutes"
    assert capfd.readouterr().err.splitlines() == [
        "training pgd-at: goes on from an earlier training, at epoch 2 of 3",
        f"training pgd-at: {kept}",
    ]


def test_a_short_part_writes_nothing(capfd):
    with open_bar("net, checks") as bar:
        bar.show("a", 0.5)

    assert capfd.readouterr().err == ""


def test_a_training_that_goes_on_counts_its_time_from_there(monkeypatch):
    now = iter((0.0, 10.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    bar = progress.Bar("training pgd-at")
    TrainingBar(bar).show_batch(5.0, Plan(epochs=10))
    bar.share = 0.75

    assert bar.describe(0.0) == "training pgd-at: epoch 6/10, 75%, 0:10 so far, about 0:10 left"


def test_a_training_tells_its_figures_by_name():
    bar = TrainingBar(progress.Bar("training pgd-at"))
    bar.show_epoch(Epoch(2, 0.1, 0.1, 0.9, 0.486, 0.6, (), {}), Plan(epochs=10))

    assert bar.bar.note == "epoch 3/10; clean 90.0%, PGD-10 48.6%"
    assert bar.bar.share == 0.2


def test_a_suite_tells_its_stage_and_its_bound():
    bar = progress.Bar("net, quick-1")
    watch_suite(bar, 200)(SuiteProgress(1, 4, 0.5, 1, 50))

    assert (bar.note, bar.share) == ("2 of 4 stages: at most 25.0% robust", 0.375)


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (65, "1:05"), (3661, "1:01:01")])
def test_a_duration_is_told_in_hours_minutes_and_seconds(seconds, text):
    assert progress._format(seconds) == text
