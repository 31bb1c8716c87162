"""The protocols of training recipes and wrappers, and the parser of their specs.

Torch is not imported here: collecting tests asks for the names.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from robust.attacks.registry import Registry
from robust.attacks.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from robust.attacks.criteria.criterion import LabelKind
    from robust.attacks.task import Task
    from robust.attacks.threats.lp import LpThreat
    from robust.train.average import Average

Selection = Literal["clean", "robust", "certified"]
# Of a recipe that asks the criterion for its loss.
ANY_LABELS: tuple["LabelKind", ...] = ("class", "values", "bits", "map")
LossFunction = Callable[["Tensor", "Tensor"], "Tensor"]  # (logits (N, C), y (N,)) -> scalar: the plan's cross-entropy
Gradients = Callable[["Sequence[Tensor]"], "list[Tensor | None]"]  # parameters -> the batch loss's gradients in them


class RecipeRun(Protocol):
    """A recipe at work on one module: the loop calls its two methods for every batch.

    They are two and not one, so that a wrapper can ask for the loss again at inputs that were costly to find.
    """

    def inputs(self, task: "Task") -> "Tensor":
        """Return the inputs to learn from in place of the batch in `task`, (N, *features), detached.

        The parameters are frozen meanwhile, and the model is in the mode for crafting. If the returned tensor requires
        a gradient, it has one when `learn` is called.
        """
        ...

    def loss(self, task: "Task", x: "Tensor", criterion: LossFunction) -> "Tensor":
        """Return the scalar that the optimiser lowers, at the inputs `x`; the model is in training mode."""
        ...


class Plain(RecipeRun, Protocol):
    """A recipe without a state: a frozen dataclass of options with the two methods of a run.

    A class variable `plan`, if it has one, holds other defaults of the loop's options; `labels` says for which kinds of
    labels it is: without it for classes alone.
    """

    selects: ClassVar[Selection]  # the accuracy on the validation split that chooses the best epoch


@runtime_checkable
class Prepared(Protocol):
    """A recipe that needs more than its options while it trains a module: a frozen dataclass that makes the run."""

    selects: ClassVar[Selection]

    def begin(self, module: "nn.Module") -> RecipeRun:
        """Return the run of this recipe on the module."""
        ...


Recipe = Plain | Prepared


def start_recipe(recipe: Recipe, module: "nn.Module") -> RecipeRun:
    """Return the recipe's run on the module: the recipe itself, if it has no state."""
    return recipe.begin(module) if isinstance(recipe, Prepared) else recipe


@runtime_checkable
class StatefulRecipe(Protocol):
    """A run that uses the gradients at its inputs, and so has a state of its own.

    Each tensor of the state leads with the places of a batch, so that ranks can share it out.
    """

    def learn(self, task: "Task", x: "Tensor") -> None:
        """Update the state, between the loss's backward and the optimiser's step; x.grad is set."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@runtime_checkable
class Scheduled(Protocol):
    """A run whose loss depends on how far the training is."""

    def reach(self, share: float) -> None:
        """Take note, before each step, of the share of the training's steps that are done, from 0 to below 1."""
        ...


@runtime_checkable
class Demanding(Protocol):
    """A recipe that does not suit every module and threat model."""

    def check(self, module: "nn.Module", x: "Tensor", threat: "LpThreat") -> None:
        """Raise ValueError, in one line, for what it cannot train; x is some of the inputs, (n, *features)."""
        ...


@runtime_checkable
class Around(Protocol):
    """A wrapper that changes the weights around the loss and its backward."""

    def around(self, module: "nn.Module", gradients: Gradients, epoch: int) -> AbstractContextManager[None]:
        """Change the weights within the context, and restore them after it; `epoch` counts from 1."""
        ...


@runtime_checkable
class Averaging(Protocol):
    """A wrapper that averages the weights after every step; the average is what is validated and kept."""

    def begin(self, module: "nn.Module", steps: int) -> "Average":
        """Return the average of the weights over a training of `steps` steps."""
        ...


# The registered classes keep the Plain or the Prepared protocol.
RECIPES: Registry[type[Any]] = Registry("training recipe", ("robust.train.recipes",), "robust.recipes")

# Frozen dataclasses that keep the Around or the Averaging protocol, written after a recipe: "trades+awp".
WRAPPERS: Registry[type[Any]] = Registry("training wrapper", ("robust.train.wrappers",), "robust.wrappers")

AS_IS = "as-is"  # stands beside the recipes for the user's model as it was loaded


def parse_recipe(text: str) -> tuple[str, tuple[str, ...], Spec]:
    """Read "trades+awp+ema:beta=3" as ("trades", ("awp", "ema"), the whole spec); the wrappers' order does not matter.

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
