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
ROUNDED = 1e-5  # the same of values, which are compared with a number and not with each other: that of float32


class Judgement(NamedTuple):
    """The judgement of m answers."""

    finite: Flags  # (m,)
    right: Flags  # (m,): finite, and acceptable
    near: Flags  # (m,): acceptable or not by so little that rounding may change it
    score: Floats  # (m,): what a person reads, such as the largest error; 0 where the answer is not finite


def judge_answers(criterion: str, answers: Floats, y: NDArray[Any]) -> Judgement:
    """Judge answers, (m, k), to samples with labels (m,) or (m, k); ValueError for an unknown criterion."""
    finite: Flags = np.logical_and.reduce(np.isfinite(answers), axis=1)
    name, _, rest = criterion.partition(":")
    if name not in JUDGES:
        raise ValueError(f"nothing here judges by the criterion {criterion!r}")
    right, near, score = JUDGES[name](np.where(finite[:, None], answers, 0), y, rest)
    return Judgement(finite, finite & right, near, np.where(finite, score, 0.0))


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


JUDGES: dict[str, Callable[[Floats, NDArray[Any], str], Parts]] = {
    "class": _judge_class,
    "goal": _judge_goal,
    "within": _judge_within,
    "labels": _judge_labels,
}
