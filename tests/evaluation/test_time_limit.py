"""The time of a run: how its parts share it, and when they are to stop."""

import math

import pytest

from robust.evaluation.steps import FIRST, Steps
from robust.evaluation.time_limit import Budget, Deadline


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def begin(clock, weights, seconds=80.0, processes=1):
    budget = Budget(seconds, processes, clock)
    budget.plan(weights)
    budget.start()
    return budget


ROW = {"suite": 0.75, "checks": 0.25}


def test_a_quarter_is_kept_for_the_checks(clock):
    budget = begin(clock, ROW)

    assert budget.take("suite") == 60
    clock.now += 60
    assert budget.take("checks") == 20


def test_what_a_part_leaves_goes_to_the_next(clock):
    budget = begin(clock, ROW)
    budget.take("suite")
    clock.now += 10

    assert budget.take("checks") == 70


def test_what_ran_before_the_first_part_counts(clock):
    budget = begin(clock, ROW)
    clock.now += 40

    assert budget.take("suite") == 30


def test_rows_share_equally_whatever_the_order_of_their_tests(clock):
    rows = ("a", "b")
    budget = begin(clock, {(row, part): weight for row in rows for part, weight in ROW.items()})
    taken = {}
    for part in ROW:
        for row in rows:
            taken[row, part] = budget.take((row, part))
            clock.now += taken[row, part]

    assert taken == {("a", "suite"): 30, ("b", "suite"): 30, ("a", "checks"): 10, ("b", "checks"): 10}


def test_the_clock_starts_once(clock):
    budget = begin(clock, ROW)
    clock.now += 40
    budget.start()

    assert budget.take("suite") == 30


def test_no_part_gets_more_than_is_left(clock):
    budget = begin(clock, ROW)
    clock.now += 100

    assert budget.take("suite") == 0


def test_a_part_that_runs_again_does_not_count_twice(clock):
    budget = begin(clock, ROW)
    budget.take("suite")

    assert budget.take("suite") == 60
    assert budget.take("checks") == 80


def test_what_nobody_planned_gets_a_share_too(clock):
    budget = begin(clock, ROW)

    assert budget.take("other") == 80
    assert budget.take("suite") == 60


def test_each_of_two_processes_expects_half_of_the_parts(clock):
    budget = begin(clock, dict.fromkeys("abcd", 1.0), processes=2)

    assert budget.take("a") == 40
    clock.now += 40
    assert budget.take("b") == 40
    clock.now += 30
    assert budget.take("c") == 10  # the other process is late


def test_a_training_takes_none_of_the_time(clock):
    budget = begin(clock, ROW)
    with budget.paused():
        clock.now += 1000

    assert budget.take("suite") == 60


@pytest.mark.parametrize(("least", "taken"), [(FIRST, 3), (0, 0)])
def test_the_first_batch_takes_a_step_however_late_it_is(clock, least, taken):
    """It asks as it begins, as it enters the round, before the first step, and after it."""
    steps = Steps(9, Deadline(0, clock), lambda share: None, least)

    assert [steps.over, *(steps() for _ in range(4))] == [False] * taken + [True] * (5 - taken)


def test_a_run_without_a_limit_has_all_the_time():
    budget = Budget()
    budget.plan(ROW)
    budget.start()

    assert budget.unlimited
    assert budget.take("suite") == math.inf


def test_a_deadline_notes_that_it_stopped_something(clock):
    deadline = Deadline(5, clock)

    assert (deadline(), deadline.left, deadline.stopped) == (False, 5, False)
    clock.now += 6
    assert (deadline.left, deadline.stopped) == (0, False)
    assert deadline()
    assert deadline.stopped
