"""Communication of ranks, and their messages about one that fails, dies or hangs."""

import importlib
import io
import os
import signal
import sys
import time

import numpy as np
import pytest

from robust.distributed.ranks import ALONE, ElsewhereError, LostError
from robust.distributed.shutdown import Shutdown
from tests.distributed.together import together

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are a thing of Unix")


def talk(ranks):
    rows = np.arange(7)
    part = rows[ranks.share]
    called = []
    first = ranks.once(lambda: called.append(1) or "first")
    x = np.full((len(part), 2), ranks.rank, np.float32)
    inputs = ranks.inputs(x, [len(rows[k :: ranks.size]) for k in range(ranks.size)])
    return {
        "part": part.tolist(),
        "whole": ranks.whole(part).tolist(),
        "all": ranks.all(ranks.rank),
        "first": (first, len(called)),
        "inputs": inputs[:, 0].astype(int).tolist(),
    }


def test_rows_are_shared_out_and_come_back_in_order():
    found = together(3, talk)

    assert [each["part"] for each in found] == [[0, 3, 6], [1, 4], [2, 5]]
    assert all(each["whole"] == [*range(7)] and each["all"] == [0, 1, 2] for each in found)
    assert [each["first"] for each in found] == [("first", 1), ("first", 0), ("first", 0)]
    assert [each["inputs"] for each in found] == [[0, 0, 0, 1, 1, 2, 2], [], []]


def test_alone_it_is_all_of_them():
    assert talk(ALONE) == {
        "part": [*range(7)],
        "whole": [*range(7)],
        "all": [0],
        "first": ("first", 1),
        "inputs": [0] * 7,
    }


def importing(ranks, name):
    importlib.import_module(name)
    return ranks.all(ranks.rank)


def test_what_an_optimiser_imports_at_its_first_step_does_not_keep_the_group():
    name = "torch.distributed.nn.functional"
    assert together(2, importing, name, forget=[name]) == [[0, 1]] * 2


def failing(ranks, which, once):
    def work():
        if ranks.rank == which:
            raise KeyError("no such thing")

    try:
        (ranks.once if once else ranks.agree)(work)
    except (KeyError, ElsewhereError) as error:
        return type(error).__name__, error.args[0], ranks.all(1)


@pytest.mark.parametrize(("which", "once"), [(0, False), (1, False), (0, True)])
def test_what_fails_on_one_fails_on_all_and_they_go_on_together(which, once):
    found = together(2, failing, which, once)
    expected = {which: ("KeyError", "no such thing"), 1 - which: ("ElsewhereError", f"rank {which}: no such thing")}

    assert found == [(*expected[rank], [1, 1]) for rank in (0, 1)]


def losing(ranks, which, how):
    if how == "killed":
        ranks.all(0)  # else one may be gone before the other has joined
    if ranks.rank == which and how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if ranks.rank == which:
        time.sleep(3)
        return None
    try:
        ranks.all(1)
    except LostError as error:
        return str(error), ranks.claim_report()


@UNIX
@pytest.mark.parametrize(
    ("how", "what", "wait"), [("killed", "is gone", 60.0), ("hanging", "has not answered for 1 s", 1.0)]
)
@pytest.mark.parametrize("which", [0, 1])
def test_one_that_is_lost_is_named(which, how, what, wait):
    (answer,) = (value for value in together(2, losing, which, how, wait=wait) if value)

    assert answer[0].startswith(f"rank {which} of 2 {what}; what was finished is kept")
    assert answer[1]


def closed(ranks, how):
    """Return the exit status of each rank, and what it writes; the first is slow."""
    screen, ending = io.StringIO(), Shutdown(ranks)
    began = time.monotonic()
    with ending.catch_sigterm():
        if ranks.first:
            time.sleep(0.5)
        elif how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        status = ending.close(3, "evaluate", screen)
    return status, screen.getvalue(), time.monotonic() - began > 0.4


@UNIX
def test_all_end_together_and_the_first_alone_has_a_status():
    assert together(2, closed, "whole") == [(3, "", True), (0, "", True)]


@UNIX
def test_one_that_is_lost_at_the_end_is_reported_in_a_line():
    first, _ = together(2, closed, "killed")

    assert first[0] == 1
    assert first[1].startswith("robust evaluate: rank 1 of 2 is gone; ")


def terminated(ranks):
    """End all by SIGTERM, as a cluster does when the time is up."""
    screen, ending = io.StringIO(), Shutdown(ranks)
    with ending.catch_sigterm():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        return ending.close(2, "train", screen), screen.getvalue()


@UNIX
def test_where_all_are_terminated_none_is_called_lost():
    found = together(2, terminated)

    assert [status for status, _ in found] == [1, 1]
    assert found[0][1].startswith("robust train: ended by SIGTERM; what was finished is kept")
