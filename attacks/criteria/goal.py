"""goal:N: an attack succeeds if the answer is the class N, whatever the label: what owners of detectors ask.

Shapes: `output` are logits, (n, C); `y` are labels, (n,) int64, none of them N. No torch in this file: collecting
tests reads criteria.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from robust.attacks.criteria.registry import CRITERIA
from robust.attacks.spec import Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@CRITERIA.register("goal")
@dataclass(frozen=True, slots=True)
class Goal:
    """Accept an answer unless its largest logit is that of the class that the attacker wants."""

    wanted: int

    labels: ClassVar[Literal["class"]] = "class"
    losses: ClassVar[tuple[str, ...]] = ("ce", "margin")
    score_name: ClassVar[str] = ""
    rises: ClassVar[bool] = False

    @classmethod
    def from_spec(cls, spec: Spec) -> "Goal":
        """Read goal:1; raise ValueError for anything else."""
        if len(spec.args) != 1 or spec.options or not spec.args[0].isdecimal():
            raise ValueError("write the class that the attacker wants by its number, as goal:1")
        return cls(int(spec.args[0]))

    def __str__(self) -> str:
        return f"goal:{self.wanted}"

    def describe(self) -> str:
        """Return what a right answer is, for people."""
        return f"not answered as class {self.wanted}"

    def count_targets(self, width: int) -> int:
        """Return how many ways there are to be wrong."""
        del width
        return 1

    def refuse_labels(self, y: "NDArray[Any]") -> str:
        """Return why these labels, (n,), cannot be judged; "" if they can."""
        own = int((y == self.wanted).sum())
        return f"{own} samples are of class {self.wanted} themselves; attack others, as by --robust-attacked" * bool(
            own
        )

    def finite(self, output: "Tensor") -> "Tensor":
        """Mark the samples whose logits are all finite, (n,) bool."""
        return output.isfinite().all(1)

    def accepts(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Mark the samples that are not answered as the class wanted, (n,) bool."""
        return output.argmax(1) != self.wanted

    def margin(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return the logit of the class wanted minus the largest other, (n,)."""
        others = output.clone()
        others[:, self.wanted] = -math.inf
        return output[:, self.wanted] - others.amax(1)

    def score(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return 1 for a right answer and 0 for a wrong one, (n,)."""
        return self.accepts(output, y).to(output.dtype)

    def ranked_targets(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return the only class to reach, (n, 1) int64."""
        return output.argmax(1, keepdim=True).fill_(self.wanted)

    def halfspaces(self, y: "Tensor", width: int) -> None:
        """Return None: that some other logit is larger is no conjunction of linear functions."""
        del y, width

    def loss(self, name: str, output: "Tensor", y: "Tensor", target: "Tensor | None" = None) -> "Tensor":
        """Return the margin, or as "ce" the logarithm of the wanted class's probability, (n,)."""
        if name not in self.losses:
            raise ValueError(f"the loss {name} is for any wrong class; {self} has {' and '.join(self.losses)}")
        if name == "margin":
            return self.margin(output, y)
        return output[:, self.wanted] - output.logsumexp(1)
