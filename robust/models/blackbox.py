"""Models that only answer: an object with predict_proba, a function, an endpoint. No gradient leads to their input."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from robust.attacks.rng import Rng
from robust.user_code import describe_user_error

KINDS = ("probabilities", "scores", "labels")
Answer = tuple[str, ArrayLike]  # one of KINDS, and (n, classes) or for labels (n,)
Ask = Callable[[NDArray[np.float32]], Answer]  # of inputs, (n, *shape)

TRIED = 8  # inputs that tell it from others
TINY = 1e-30  # the logarithm of a probability of 0 is that of this


class BlackBox(nn.Module):
    """A model that is asked for its answers. Labels alone become scores of 1 for the class named and 0 for the others.

    It shows no weights: the buffer `answers`, its answers to a few fixed inputs, stands for them where it is told from
    other models. ValueError where an answer is not for the classes or not for each input.
    """

    answers: Tensor  # (TRIED, classes)

    def __init__(self, ask: Ask, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.kind = ""  # of its answers
        self._ask = ask
        fixed = Rng.of(0, torch.arange(TRIED)).uniform(torch.zeros(TRIED, *shape))
        # Rounded, so that it is the same model on another machine.
        self.register_buffer("answers", self(fixed).softmax(1).mul(1000).round())

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of its figures."""
        if self.kind == "labels":
            return (
                "it answers with labels alone, which leave an attack to chance: the figures are loose upper bounds",
            )
        return ()

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes), detached."""
        self.kind, values = self._ask(x.detach().cpu().numpy())
        if (numbers := np.asarray(values)).dtype.kind not in "biuf":
            raise ValueError("answered with what are no numbers")
        return _logits(self.kind, torch.from_numpy(numbers.astype(np.float64)), len(x), self.classes).to(x)


def is_black_box(module: nn.Module) -> bool:
    """Whether the module, or a part of it, is a black box."""
    return any(isinstance(part, BlackBox) for part in module.modules())


def _logits(kind: str, values: Tensor, n: int, classes: int) -> Tensor:
    wanted = [n] if kind == "labels" else [n, classes]
    if [*values.shape] != wanted:
        raise ValueError(f"answered {n} inputs with {kind} of shape {[*values.shape]}, expected {wanted}")
    if kind == "scores":
        return values
    if kind == "probabilities":
        if not bool(((values >= 0) & (values <= 1 + 1e-3)).all()):
            raise ValueError("answered with probabilities below 0 or above 1; call them scores")
        return values.clamp_min(TINY).log()
    labels = values.long()
    if not bool(((labels == values) & (labels >= 0) & (labels < classes)).all()):
        raise ValueError(f"answered with labels that are no whole numbers from 0 to {classes - 1}")
    return F.one_hot(labels, classes)


def can_answer(thing: object) -> bool:
    """Whether the thing is something that `asking` may take; a class is not, for it makes one."""
    ways = (callable(thing), hasattr(thing, "predict_proba"), hasattr(thing, "predict"))
    return any(ways) and not isinstance(thing, type)


def build_ask(thing: object, classes: int) -> Ask:
    """How a user's object is asked. ValueError for one that cannot be.

    predict_proba and predict get rows of numbers, as scikit-learn's do; a function gets the inputs as they are, and
    returns scores (n, classes) or labels (n,).
    """
    found: Any = thing
    if isinstance(thing, nn.Module):
        raise ValueError("a torch module has a gradient; name it without blackbox:")
    if hasattr(thing, "predict_proba"):
        return lambda x: ("probabilities", _placed(found, _asked(found.predict_proba, _rows(x)), classes))
    if callable(thing):
        return lambda x: _with_kind(_asked(found, x))
    if hasattr(thing, "predict"):
        return lambda x: ("labels", _asked(found.predict, _rows(x)))
    raise ValueError(f"a {type(thing).__name__} has no predict_proba and no predict, and is no function")


def _asked(ask: Callable[[NDArray[np.float32]], Any], x: NDArray[np.float32]) -> NDArray[Any]:
    try:
        return np.asarray(ask(x))
    except Exception as error:  # of the user's code
        raise ValueError(f"asking for its answers failed: {describe_user_error(error)}") from error


def _rows(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x.reshape(len(x), -1)


def _with_kind(values: NDArray[Any]) -> Answer:
    return ("labels" if values.ndim == 1 else "scores"), values


def _placed(estimator: Any, values: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Columns of probabilities where the classes are that they are of: an estimator may not have met them all."""
    own = np.asarray(getattr(estimator, "classes_", np.arange(values.shape[-1])))
    if own.dtype.kind not in "iu" or own.min() < 0 or own.max() >= classes or values.shape[-1] != len(own):
        raise ValueError(f"its classes are {own.tolist()}, expected whole numbers from 0 to {classes - 1}")
    placed = np.zeros((len(values), classes))
    placed[:, own] = values
    return placed
