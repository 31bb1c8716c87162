"""The protocol that every criterion keeps: the engine, the task and the attacks ask it what a right answer is.

Shapes: `output` is what the model answers to n samples, (n, ...); `y` are their labels, (n, ...); results are (n,).
"""

from typing import Any, Literal, Protocol

from torch import Tensor

# Numbers of classes (n,); floats (n, k); each on or off (n, k); numbers of classes of pixels (n, h, w).
LabelKind = Literal["class", "values", "bits", "map"]


class Criterion(Protocol):
    """The definition of a right answer. `str` of a criterion is its name in options and records.

    One whose losses change while an attack runs has a method `during`: it takes the share of the steps that are made,
    and returns the criterion for the next. One whose score counts what is wrong in a sample has `beyond`: it takes the
    scores of n samples and how many more must be wrong, and its losses seek that; and `of_samples`, for some of them.
    """

    @property
    def labels(self) -> LabelKind:
        """Return the kind of labels, and so of answers, that it is for."""
        ...

    @property
    def losses(self) -> tuple[str, ...]:
        """Return the names that `loss` takes."""
        ...

    @property
    def score_name(self) -> str:
        """Return the name of the mean score in tables, such as "error"; "" if it only repeats the accuracy."""
        ...

    @property
    def rises(self) -> bool:
        """Return whether the score rises as answers get worse."""
        ...

    def describe(self) -> str:
        """Return what a right answer is, for people: "within 50 of the label"."""
        ...

    def count_targets(self, width: int) -> int:
        """Return how many ways there are to be wrong for a model that answers with `width` numbers."""
        ...

    def refuse_labels(self, y: Any) -> str:
        """Return why labels, a numpy array, cannot be judged, in one line; "" if they can."""
        ...

    def finite(self, output: Tensor) -> Tensor:
        """Mark the answers that are finite throughout, (n,) bool; others are faults of the model."""
        ...

    def accepts(self, output: Tensor, y: Tensor) -> Tensor:
        """Mark the answers that are acceptable, (n,) bool, as the deployed model decides; they must be finite."""
        ...

    def margin(self, output: Tensor, y: Tensor) -> Tensor:
        """Measure how far each answer misses its label, (n,).

        Above 0 the answer is not acceptable, below 0 it is, at 0 `accepts` decides. Differentiable almost everywhere.
        """
        ...

    def score(self, output: Tensor, y: Tensor) -> Tensor:
        """Return the figure that people read for each answer, (n,), such as 1 for right and 0 for wrong."""
        ...

    def ranked_targets(self, output: Tensor, y: Tensor) -> Tensor:
        """Return the ways to be wrong, (n, targets) int64, the most promising first; `loss` takes one as target."""
        ...

    def halfspaces(self, y: Tensor, width: int) -> tuple[Tensor, Tensor] | None:
        """Return a, (n, k, width), and c, (n, k): an answer is acceptable if <a, answer> + c is above 0 for all k.

        None if that cannot be said by linear functions of the answer, so that nothing is certified.
        """
        ...

    def loss(self, name: str, output: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
        """Return a loss by name, (n,), which rises as the answers get worse; with a target, as they approach it.

        Every criterion has "margin", and "ce" is its natural loss for training. Raise ValueError for another name that
        the criterion does not have, and for a target where it has none.
        """
        ...
