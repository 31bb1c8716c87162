"""Classification, the criterion `class`: an answer is right if the largest logit is the label's.

Shapes: `output` are logits, (n, C); `y` are labels, (n,) int64 from 0 to C - 1.
"""

from dataclasses import dataclass

from torch import Tensor

from robust.attacks.losses import LOSSES, margin


@dataclass(frozen=True, slots=True)
class Classification:
    """Accept an answer whose largest logit is the label's; of equal logits the first one counts, as argmax has it."""

    def __str__(self) -> str:
        return "class"

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

    def loss(self, name: str, output: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
        """Return the loss of losses.py by name, (n,), in its targeted form if `target`, (n,) int64, is given."""
        untargeted, targeted = LOSSES[name]
        return untargeted(output, y) if target is None else targeted(output, y, target)


CLASS: Classification = Classification()
