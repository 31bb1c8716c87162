"""Candidates: inputs that are said to be adversarial, with all that is needed to check it except the model."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.data.lazy_inputs import LazyInputs
from robust.data.pictures import Pictures


@dataclass(frozen=True, slots=True)
class Candidates:
    """n inputs that an attack returned, the clean samples that they were made from, and the rules of the attack."""

    x_adv: NDArray[np.float32]  # (n, *features)
    x: NDArray[np.float32] | LazyInputs  # (n, *features): the clean inputs
    y: NDArray[Any]  # (n,) or (n, k): the right labels
    threat: str  # "linf:8/255", "features:loans-1a2b3c4d", or a union as "linf:8/255+l2:0.5"
    bounds: tuple[float, float]  # lowest and highest value that the data can have
    batch: int  # the batch size of the attack; the check uses another one
    criterion: str = "class"  # what is a right answer: "within:50"
    tables: dict[str, str] = field(default_factory=dict)  # the content of the tables in the threat, as JSON
    layout: str = ""  # of several inputs, which stand in one row of x, as JSON
    theta: NDArray[np.float32] | None = None  # (n, 4): by which the clean inputs are transformed; NaN where by none
    pictures: Pictures | None = None  # what the clean inputs are before a Dataset's own resize, if one is seen
