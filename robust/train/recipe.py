"""What an adversarial-training variant is, and its word. No torch at import: collecting tests asks for the names."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from robust.attacks.registry import Registry
from robust.attacks.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from robust.attacks.task import Task
    from robust.train.average import Average

Selection = Literal["clean", "robust"]
LossFunction = Callable[["Tensor", "Tensor"], "Tensor"]  # (logits (N, C), y (N,)) -> scalar: the plan's cross-entropy
Gradients = Callable[
    ["Sequence[Tensor]"], "list[Tensor | None]"
]  # of the batch's loss in these parameters, as they are


class RecipeRun(Protocol):
    """What the loop asks, batch by batch.

    Two methods and not one, so that a wrapper can ask for the loss again at inputs that were costly to find.
    """

    def inputs(self, task: "Task") -> "Tensor":
        """What to learn from in place of the batch in `task`, (N, *features), detached.

        The parameters are frozen meanwhile, and the model is in the mode for crafting. Where the result requires a
        gradient, it has one when `learn` is called.
        """
        ...

    def loss(self, task: "Task", x: "Tensor", criterion: LossFunction) -> "Tensor":
        """The scalar that the optimiser lowers, at those inputs; the model is in training mode."""
        ...


class Plain(RecipeRun, Protocol):
    """A frozen dataclass of options with two methods."""

    selects: ClassVar[Selection]  # by which accuracy on the validation split the best epoch is chosen


@runtime_checkable
class Prepared(Protocol):
    """A frozen dataclass of options that needs more than these while it trains a module."""

    selects: ClassVar[Selection]

    def begin(self, module: "nn.Module") -> RecipeRun:
        """What the loop asks in its place."""
        ...


Recipe = Plain | Prepared


def start_recipe(recipe: Recipe, module: "nn.Module") -> RecipeRun:
    """What the loop asks while it trains `module` by the recipe."""
    return recipe.begin(module) if isinstance(recipe, Prepared) else recipe


@runtime_checkable
class StatefulRecipe(Protocol):
    """A course that goes by the gradients at its inputs, and so has a state of its own.

    A tensor in it leads with the places of a batch, so that ranks can share it out.
    """

    def learn(self, task: "Task", x: "Tensor") -> None:
        """Called between the loss's backward and the optimiser's step: x.grad is there."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@runtime_checkable
class Around(Protocol):
    """A wrapper that changes the weights around the loss and its backward."""

    def around(self, module: "nn.Module", gradients: Gradients, epoch: int) -> AbstractContextManager[None]:
        """Within, the weights are others; after it they are as they were. `epoch` counts from 1."""
        ...


@runtime_checkable
class Averaging(Protocol):
    """A wrapper that averages the weights after every step; the average is what is validated and kept."""

    def begin(self, module: "nn.Module", steps: int) -> "Average":
        """The average over a training of `steps` steps."""
        ...


# The things are classes that keep the Plain or the Prepared protocol.
RECIPES: Registry[type[Any]] = Registry("training recipe", ("robust.train.recipes",), "robust.recipes")

# Frozen dataclasses that keep the Around or the Averaging protocol, written after a recipe: "trades+awp".
WRAPPERS: Registry[type[Any]] = Registry("training wrapper", ("robust.train.wrappers",), "robust.wrappers")

AS_IS = "as-is"  # the word for the user's model as it was loaded, beside the recipes


def parse_recipe(text: str) -> tuple[str, tuple[str, ...], Spec]:
    """Read "trades+awp+ema:beta=3" as ("trades", ("awp", "ema"), all of it); the order of the wrappers means nothing.

    LookupError for an unknown name, ValueError for a wrapper that is given twice or wraps nothing.
    """
    spec = Spec.parse(text)
    name, *wrappers = spec.name.split("+")
    if name in WRAPPERS:
        raise ValueError(f"{name} wraps a recipe; write {'+'.join(('pgd-at', name, *wrappers))}")
    if name not in RECIPES:
        RECIPES.refuse(name, AS_IS)
    for wrapper in wrappers:
        if wrapper not in WRAPPERS:
            WRAPPERS.refuse(wrapper)
        if wrappers.count(wrapper) > 1:
            raise ValueError(f"{spec.name} gives {wrapper} twice")
    ordered = tuple(sorted(wrappers))
    return name, ordered, Spec("+".join((name, *ordered)), spec.args, spec.options)
