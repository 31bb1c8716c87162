"""What an adversarial-training variant is. No torch at import: collecting tests asks for the names."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from robust.attacks.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from robust.attacks.task import Task

Selection = Literal["clean", "robust"]


class Recipe(Protocol):
    """A frozen dataclass of options with one method: the loss of a batch."""

    selects: ClassVar[Selection]  # by which accuracy on the validation split the best epoch is chosen

    def loss(self, task: "Task") -> "Tensor":
        """The scalar that the optimiser lowers, for the batch in `task`, whose model is in training mode."""
        ...


# The things are classes that keep the Recipe protocol.
RECIPES: Registry[type[Any]] = Registry("training recipe", ("robust.train.recipes",), "robust.recipes")

AS_IS = "as-is"  # the word for the user's model as it was loaded, beside the recipes
