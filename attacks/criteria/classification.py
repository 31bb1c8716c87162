"""Classification, the criterion `class`: an answer is right if the largest logit is the label's.

Shapes: `output` are logits, (n, C); `y` are labels, (n,) int64 from 0 to C - 1.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from robust.attacks.criteria.registry import CRITERIA
from robust.attacks.losses import LOSSES, margin
from robust.attacks.spec import Spec


@CRITERIA.register("class")
@dataclass(frozen=True, slots=True)
class Classification:
    """Accept an answer whose largest logit is the label's; of equal logits the first one counts, as argmax has it."""

    labels: ClassVar[Literal["class"]] = "class"
    losses: ClassVar[tuple[str, ...]] = tuple(LOSSES)
    score_name: ClassVar[str] = ""
    rises: ClassVar[bool] = False

    @classmethod
    def from_spec(cls, spec: Spec) -> "Classification":
        """Read class; raise ValueError for anything behind it."""
        if spec.args or spec.options:
            raise ValueError("class takes no options")
        return cls()

    def __str__(self) -> str:
        return "class"

    def describe(self) -> str:
        """Return what a right answer is, for people."""
        return "answered as the label"

    def count_targets(self, width: int) -> int:
        """Return how many wrong classes there are."""
        return width - 1

    def refuse_labels(self, y: Any) -> str:
        """Return why these labels cannot be judged: never."""
        del y
        return ""

    def finite(self, output: Tensor) -> Tensor:
        """Mark the samples whose logits are all finite, (n,) bool."""
        return output.isfinite().all(1)

    def accepts(self, output: Tensor, y: Tensor) -> Tensor:
        """Mark the samples whose largest logit is the label's, (n,) bool."""
        return output.argmax(1) == y

    def margin(self, output: Tensor, y: Tensor) -> Tensor:
        """Return the largest other logit minus the label's, (n,); see losses.py."""
        return margin(output, y)

    def score(self, output: Tensor, y: Tensor) -> Tensor:
        """Return 1 for a right answer and 0 for a wrong one, (n,), in the type of the logits."""
        return self.accepts(output, y).to(output.dtype)

    def ranked_targets(self, output: Tensor, y: Tensor) -> Tensor:
        """Return the wrong classes, (n, C - 1) int64, those with the largest logits first."""
        wrong = output.scatter(1, y[:, None], -torch.inf)
        return wrong.sort(dim=1, descending=True, stable=True).indices[:, :-1]

    def halfspaces(self, y: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Return that the label's logit is larger than each other, (n, C - 1, C) and (n, C - 1)."""
        eye = torch.eye(width, dtype=torch.float64)
        others = torch.stack([torch.cat([torch.arange(k), torch.arange(k + 1, width)]) for k in y.tolist()])
        a = eye[y].unsqueeze(1) - eye[others]
        return a, a.new_zeros(a.shape[:2])

    def loss(self, name: str, output: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
        """Return the loss of losses.py by name, (n,), in its targeted form if `target`, (n,) int64, is given."""
        if name not in LOSSES:
            raise ValueError(f"the loss {name} is for maps of classes; {self} has {', '.join(LOSSES)}")
        untargeted, targeted = LOSSES[name]
        return untargeted(output, y) if target is None else targeted(output, y, target)


CLASS: Classification = Classification()
