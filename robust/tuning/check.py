"""Every value at an end of a range or in a list is tried before the first trial, on modules that are discarded."""

from itertools import islice, product
from typing import Any

from robust.data.dataset import Samples
from robust.tuning.problem import CORNERS, Problem


def check_values(problem: Problem, few: Samples) -> None:
    """Raise ValueError, in one line, for a value of the space that no training could begin with.

    A value that fits some values of the others is left to the trials: `warmup` is for some schedules alone.
    """
    for name, part in problem.space.items():
        for value in part.ends:
            fault = _find_fault(problem, few, name, value)
            if fault is not None:
                raise ValueError(f"{name} = {value}: {fault}") from fault


def _find_fault(problem: Problem, few: Samples, name: str, value: Any) -> Exception | None:
    """Return why a training cannot begin with a value; None if it can with some values of the other options."""
    others = {key: part.ends for key, part in problem.space.items() if key != name}
    first: Exception | None = None
    for corner in islice(product(*others.values()), CORNERS):
        try:
            problem.rehearse({**dict(zip(others, corner, strict=True)), name: value}, few)
        except (ValueError, LookupError) as error:
            first = first or error
        else:
            return None
    return first
