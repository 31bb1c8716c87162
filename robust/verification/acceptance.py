"""Acceptance judged again: by the text of the criterion, in float64 with numpy.

Nothing here is shared with the attacks' criteria, so no mistake of theirs is made twice.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags

Floats = NDArray[np.float64]

# Share of the largest answer. Two that are closer may swap by rounding in another batch, also that of TF32.
TIE = 1e-3
MAPS = "pixels"
WHOLE = 1e-9  # pixels: a share of 0.9 asks for 9 of 10, whatever the product is in floats
ROUNDED = 1e-5  # the same of values, which are compared with a number and not with each other: that of float32


class Judgement(NamedTuple):
    """The judgement of m answers."""

    finite: Flags  # (m,)
    right: Flags  # (m,): finite, and acceptable
    near: Flags  # (m,): acceptable or not by so little that rounding may change it
    score: Floats  # (m,): what a person reads, such as the largest error; 0 where the answer is not finite
    regions: Floats  # (m, 2 C): of maps, pixels of the intersection and of the union, by class; of others (m, 0)
    undecided: Flags  # (m,): the answers are random, and too few were asked for a test to decide


def judge_answers(criterion: str, answers: Floats, y: NDArray[Any]) -> Judgement:
    """Judge answers, (m, k), to samples with labels (m,) or (m, k); ValueError for an unknown criterion.

    Of maps answers are (m, C, h, w) and labels (m, h, w).
    """
    finite: Flags = np.logical_and.reduce(np.isfinite(answers), axis=tuple(range(1, answers.ndim)))
    name, _, rest = criterion.partition(":")
    if name not in JUDGES:
        raise ValueError(f"nothing here judges by the criterion {criterion!r}")
    known = np.where(finite.reshape(-1, *[1] * (answers.ndim - 1)), answers, 0)
    right, near, score = JUDGES[name](known, y, rest)
    regions = _count_regions(known, y, rest) if name == MAPS else np.zeros((len(y), 0))
    undecided = np.zeros(len(y), bool)
    return Judgement(finite, finite & right, near, np.where(finite, score, 0.0), regions, undecided)


Parts = tuple[Flags, Flags, Floats]  # (right, near, score)


def _judge_class(logits: Floats, y: NDArray[Any], rest: str) -> Parts:
    """The largest logit must be the label's; of equal ones the first counts."""
    del rest
    place = np.arange(len(y))
    others = logits.copy()
    others[place, y] = -np.inf
    right = logits.argmax(1) == y
    near = np.abs(logits[place, y] - others.max(1)) <= TIE * np.abs(logits).max(1)
    return right, near, right.astype(np.float64)


def _judge_goal(logits: Floats, y: NDArray[Any], rest: str) -> Parts:
    """The largest logit must not be that of the class that the attacker wants."""
    del y
    wanted = int(rest)
    right = logits.argmax(1) != wanted
    rivals = np.delete(logits, wanted, axis=1).max(1)
    near = np.abs(logits[:, wanted] - rivals) <= TIE * np.abs(logits).max(1)
    return right, near, right.astype(np.float64)


def _judge_within(values: Floats, y: NDArray[Any], rest: str) -> Parts:
    """No value may be further than the tolerance from its label; one that is NaN does not count."""
    labels = y.reshape(values.shape).astype(np.float64)
    share = rest.endswith("%")
    limit = np.abs(labels) * (float(rest[:-1]) / 100) if share else np.full(labels.shape, float(rest))
    known = ~np.isnan(labels)
    error = np.where(known, np.abs(values - np.where(known, labels, 0)), 0)
    beyond = np.where(known, error - np.where(known, limit, 0), -np.inf)
    size = np.maximum(np.abs(values), np.abs(np.where(known, labels, 0))).max(1)
    right: Flags = np.logical_and.reduce(beyond <= 0, axis=1)
    return right, np.abs(beyond.max(1)) <= ROUNDED * size, error.max(1)


def _judge_labels(logits: Floats, y: NDArray[Any], rest: str) -> Parts:
    """Each logit must be above 0 where the label is 1, and not where it is 0; one that is below 0 does not count."""
    labels: NDArray[Any] = y.reshape(logits.shape)
    counts = labels >= 0
    if rest:
        chosen = [int(number) for number in rest.removeprefix("any=").split(",")]
        counts = counts & np.isin(np.arange(labels.shape[1]), chosen)
    right: Flags = (logits > 0) == (labels == 1)
    sides: Floats = np.where(labels == 1, -logits, logits)
    wrong = np.max(np.where(counts, sides, -np.inf), axis=1)
    near = np.abs(wrong) <= ROUNDED * np.abs(logits).max(1)
    all_right: Flags = np.logical_and.reduce(right | ~counts, axis=1)
    share: Floats = (right & counts).sum(1) / counts.sum(1)
    return all_right, near, share


def _judge_pixels(logits: Floats, y: NDArray[Any], rest: str) -> Parts:
    """Enough pixels must have their label's logit as the largest; one that is below 0, or ignored, does not count."""
    counts = _mark_counted(y, rest)
    answered = logits.argmax(1)
    right = ((answered == y) & counts).sum((1, 2))
    total = counts.sum((1, 2))
    needed = float(rest.partition(":")[0]) * total - WHOLE
    place = np.where(counts, y, 0)[:, None]
    own = np.take_along_axis(logits, place, 1)[:, 0]
    others = logits.copy()
    np.put_along_axis(others, place, -np.inf, 1)
    tied = counts & (np.abs(own - others.max(1)) <= TIE * np.abs(logits).max((1, 2, 3))[:, None, None])
    stays = (right - (tied & (answered == y)).sum((1, 2))) >= needed  # if all that may swap were wrong
    comes = (right + (tied & (answered != y)).sum((1, 2))) >= needed  # if all were right
    return right >= needed, stays != comes, right / np.maximum(total, 1)


def _mark_counted(y: NDArray[Any], rest: str) -> Flags:
    """Mark the pixels that count, by the text of the criterion."""
    ignored = [int(label) for label in rest.partition(":ignore=")[2].split(",") if label]
    counted: Flags = (y >= 0) & ~np.isin(y, ignored)
    return counted


def _count_regions(logits: Floats, y: NDArray[Any], rest: str) -> Floats:
    """Count the pixels that both the answer and the label give a class, and that either does, by class."""
    counts, answered, classes = _mark_counted(y, rest), logits.argmax(1), logits.shape[1]
    regions = np.zeros((len(y), 2 * classes))
    for label in range(classes):
        said, true = counts & (answered == label), counts & (y == label)
        regions[:, label] = (said & true).sum((1, 2))
        regions[:, classes + label] = (said | true).sum((1, 2))
    return regions


JUDGES: dict[str, Callable[[Floats, NDArray[Any], str], Parts]] = {
    "class": _judge_class,
    "goal": _judge_goal,
    "within": _judge_within,
    "labels": _judge_labels,
    MAPS: _judge_pixels,
}
