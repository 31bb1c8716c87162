"""Answers that are random, judged again: each input is asked until an exact binomial test decides, or gives up.

Their scores are means over as many answers of each input, so that no stop of a test bears on them.

Nothing here is shared with the attacks' test, and the answers are fresh ones. The bounds are those of scipy.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.verification.acceptance import Floats, Judgement, judge_answers

STREAM = 0xD4A3  # added to the seed, so that no draw is one that an attack has seen
LEVEL, SIZES = 0.01, (10, 20, 40, 80, 160, 320, 640)  # each size has an equal part of the level
SCORED = 20  # answers to each input, whose mean is its score
MAX_NEAR = 0.25  # a share of wrong answers so near one half may lead to another verdict the next time

Ask = Callable[[NDArray[np.int64]], Floats]  # the answers to the inputs in these rows of the batch


class Asked(NamedTuple):
    """The sums over the answers to m inputs."""

    times: NDArray[np.int64]  # (m,)
    wrong: NDArray[np.int64]  # (m,)
    finite: Flags  # (m,): all of them


def judge_random(criterion: str, ask: Ask, y: NDArray[Any]) -> Judgement:
    """Judge random answers to m inputs: right where they are shown to be right with a probability above one half.

    Near are those with a share of wrong answers near one half, whether that was decided or not. No score is counted:
    the number of answers hangs on what they are.
    """
    first, asked = judge_answers(criterion, ask(np.arange(len(y))), y), 1
    sums = Asked(np.ones(len(y), int), (~first.right).astype(int), first.finite.copy())
    right, decided = np.zeros(len(y), bool), ~first.finite
    for size in SIZES:
        rows = np.flatnonzero(~decided)
        if not len(rows):
            break
        for _ in range(size - asked):
            _add(sums, rows, judge_answers(criterion, ask(rows), y[rows]))
        bound, asked = _least_agreeing(size), size
        right[rows] = size - sums.wrong[rows] >= bound
        decided |= ~sums.finite
        decided[rows] |= right[rows] | (sums.wrong[rows] >= bound)
    share = sums.wrong / sums.times
    near = sums.finite & (np.abs(share - 0.5) < MAX_NEAR)
    score, regions = np.zeros(len(y)), np.zeros((len(y), 0))
    return Judgement(sums.finite, right & sums.finite, near, score, regions, ~decided)


def score_random(criterion: str, ask: Ask, y: NDArray[Any]) -> Judgement:
    """Score random answers to m inputs: the means of the scores and regions of SCORED fresh answers to each."""
    rows = np.arange(len(y))
    judged = [judge_answers(criterion, ask(rows), y) for _ in range(SCORED)]
    finite = np.logical_and.reduce([each.finite for each in judged])
    none = np.zeros(len(y), bool)
    score, regions = (np.mean([getattr(each, name) for each in judged], 0) for name in ("score", "regions"))
    return Judgement(finite, right=none, near=none, score=score, regions=regions, undecided=none)


def _add(sums: Asked, rows: NDArray[np.int64], judged: Judgement) -> None:
    sums.times[rows] += 1
    sums.wrong[rows] += ~judged.right
    sums.finite[rows] &= judged.finite


@lru_cache
def _least_agreeing(size: int) -> int:
    """Return how many of `size` answers must be alike for the test to decide."""
    from scipy.stats import binom

    return int(binom.isf(LEVEL / len(SIZES), size, 0.5)) + 1
