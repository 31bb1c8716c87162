"""Models that only answer: an object with predict_proba, a function, an endpoint. They have no input gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.rng import Rng
from robust.models.output_form import PROBABILITY
from robust.models.weights import is_packed
from robust.user_code import describe_user_error

KINDS = ("probabilities", "scores", "labels", "values")
Answer = tuple[str, ArrayLike]  # one of KINDS, and (n, classes) or for labels of classes (n,)
Ask = Callable[[NDArray[np.float32]], Answer]  # takes inputs, (n, *shape)

PROBES = 8  # inputs whose answers identify the model
TINY = 1e-30  # takes the place of a probability of 0 in the logarithm


class BlackBox(nn.Module):
    """A model that is asked for its answers. Labels alone become scores of 1 for the class named and 0 for the others.

    It has no weights to hash: the buffer `answers`, its answers to a few fixed inputs, identifies it in their place.
    ValueError if an answer does not have the right number of inputs or classes.
    """

    answers: Tensor  # (PROBES, classes)

    def __init__(self, ask: Ask, shape: tuple[int, ...], classes: int, labels: LabelKind = "class") -> None:
        """Ask for inputs of a shape; `classes` is how many numbers an answer has, for labels of that kind."""
        super().__init__()
        self.classes = classes
        self.labels = labels
        self.kind = ""  # of its answers
        self.forget: Callable[[], None] = lambda: None  # removes the answers that are kept, see journal.py
        self._ask = ask
        fixed = Rng.of(0, torch.arange(PROBES)).uniform(torch.zeros(PROBES, *shape))
        self.register_buffer("answers", _identify(self(fixed), labels))

    def ask_through(self, wrap: Callable[[Ask], Ask], forget: Callable[[], None]) -> None:
        """Ask from now on through what `wrap` makes of the function that asks; `forget` removes what that keeps."""
        self._ask, self.forget = wrap(self._ask), forget

    @property
    def notes(self) -> tuple[str, ...]:
        """Return notes on the figures of the model, for the user to read."""
        if self.kind == "labels":
            return (
                "it answers with labels alone: attacks that follow them need many queries, and the figures are loose "
                "upper bounds",
            )
        return ()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, or values, (n, classes), detached."""
        self.kind, values = self._ask(x.detach().cpu().numpy())
        if (numbers := np.asarray(values)).dtype.kind not in "biuf":
            raise ValueError("answered with what are no numbers")
        read = {"class": _logits, "values": _values, "bits": _bits}[self.labels]
        return read(self.kind, torch.from_numpy(numbers.astype(np.float64)), len(x), self.classes).to(x)


def is_black_box(module: nn.Module) -> bool:
    """Whether the module, or a part of it, is a black box."""
    return any(isinstance(part, BlackBox) for part in module.modules())


def answers_labels(module: nn.Module) -> bool:
    """Whether all that the module answers are the labels of one black box."""
    boxes = [part for part in module.modules() if isinstance(part, BlackBox)]
    return len(boxes) == 1 and boxes[0].kind == "labels" and not any(True for _ in module.parameters())


def _identify(answers: Tensor, labels: LabelKind) -> Tensor:
    """Return answers rounded, so that their hash is the same on another machine: shares, or four digits of values."""
    if labels == "values":
        digits = answers.double().abs().clamp_min(TINY).log10().floor()
        return (answers.double() / 10 ** (digits - 3)).round().mul(10 ** (digits - 3)).float()
    shares = answers.sigmoid() if labels == "bits" else answers.softmax(1)
    return shares.mul(1000).round()


def _values(kind: str, values: Tensor, n: int, width: int) -> Tensor:
    """Return a regressor's answers, (n, width), of which (n,) will do for one value; ValueError if they are none."""
    if kind not in ("values", "scores"):
        raise ValueError(f"answered with {kind}, and the data's labels are values")
    if [*values.shape] != [n, width] and not (width == 1 and [*values.shape] == [n]):
        raise ValueError(f"answered {n} inputs with values of shape {[*values.shape]}, expected {[n, width]}")
    return values.reshape(n, width)


def _bits(kind: str, values: Tensor, n: int, width: int) -> Tensor:
    """Return answers of several labels as logits, (n, width); ValueError if they are not answers of that kind."""
    if kind == "values" or [*values.shape] != [n, width]:
        raise ValueError(f"answered {n} inputs with {kind} of shape {[*values.shape]}, expected {[n, width]} of labels")
    if kind == "scores":
        return values
    if not bool(((values >= 0) & (values <= 1 + 1e-3)).all()):
        raise ValueError(f"answered with {kind} below 0 or above 1; call them scores")
    if kind == "labels":
        return 2 * values - 1
    return values.clamp_min(TINY).log() - (1 - values).clamp_min(TINY).log()


def _logits(kind: str, values: Tensor, n: int, classes: int) -> Tensor:
    """Return the answers as logits, (n, classes); ValueError if they are not answers of that kind."""
    if kind == "values":
        raise ValueError("answered with values, and the data's labels are classes")
    expected = [n] if kind == "labels" else [n, classes]
    if kind != "labels" and values.numel() == n and classes == 2:
        column = values.reshape(n)
        values = torch.stack([1 - column if kind == "probabilities" else torch.zeros_like(column), column], 1)
    if [*values.shape] != expected:
        raise ValueError(f"answered {n} inputs with {kind} of shape {[*values.shape]}, expected {expected}")
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


def can_answer(candidate: object) -> bool:
    """Whether `build_ask` can take the object; it cannot take a class."""
    answers = callable(candidate) or hasattr(candidate, "predict_proba") or hasattr(candidate, "predict")
    return answers and not isinstance(candidate, type)


def build_ask(answerer: object, classes: int, kind: str = "", labels: LabelKind = "class") -> Ask:
    """Return a function that asks a user's object for its answers. ValueError if the object cannot answer.

    predict_proba and predict get inputs (n, features), as scikit-learn's do; a function gets the inputs as they are,
    (n, *shape), and returns scores (n, classes) or labels (n,); of two classes also one score each, (n,) or (n, 1).
    `kind` is "probability" if its numbers are probabilities, "logit" if they are scores, and "" if they show it. For
    values predict is asked, and for several labels predict_proba or predict; a function returns (n, classes).
    """
    model: Any = answerer
    if isinstance(model, nn.Module):
        if is_packed(model):
            raise ValueError("a quantised module is asked as it is; name it without blackbox:")
        raise ValueError("a torch module has a gradient; name it without blackbox:")
    if labels == "values" and hasattr(model, "predict"):
        return lambda x: ("values", _call(model.predict, _flatten(x)))
    if labels == "values" and callable(model):
        return lambda x: ("values", _call(model, x))
    if labels == "bits" and hasattr(model, "predict_proba"):
        return lambda x: ("probabilities", _call(lambda rows: _join_labels(model.predict_proba(rows)), _flatten(x)))
    if labels == "bits" and callable(model):
        return lambda x: _add_kind_of_labels(_call(model, x), kind)
    if hasattr(model, "predict_proba"):
        return lambda x: ("probabilities", _place_columns(model, _call(model.predict_proba, _flatten(x)), classes))
    if callable(model):
        return lambda x: _add_kind(_call(model, x), classes, kind)
    if hasattr(model, "predict"):
        return lambda x: ("labels", _call(model.predict, _flatten(x)))
    raise ValueError(f"a {type(model).__name__} has no predict_proba and no predict, and is no function")


def _call(function: Callable[[NDArray[np.float32]], Any], x: NDArray[np.float32]) -> NDArray[Any]:
    try:
        return np.asarray(function(x))
    except Exception as error:  # user code may raise anything
        raise ValueError(f"asking for its answers failed: {describe_user_error(error)}") from error


def _flatten(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x.reshape(len(x), -1)


def _add_kind(values: NDArray[Any], classes: int, kind: str) -> Answer:
    """Return a function's answers with their kind; ValueError if one number for two classes may mean two things."""
    if values.dtype.kind not in "biuf":
        return "scores", values
    if values.ndim == 1 and not kind and (classes > 2 or (values == np.floor(values)).all()):
        return "labels", values
    shares = bool(((values >= 0) & (values <= 1)).all())
    if not kind and classes == 2 and values.size == len(values) and shares:
        raise ValueError(
            "answered each input with one number from 0 to 1; say what it is: --robust-output=probability or "
            "--robust-output=logit"
        )
    return ("probabilities" if kind == PROBABILITY else "scores"), values


def _join_labels(answers: Any) -> NDArray[Any]:
    """Return probabilities (n, k) that labels are on; scikit-learn may give (n, 2) for each of k labels, in a list."""
    if not isinstance(answers, list):
        return np.asarray(answers)
    parts = [np.asarray(part) for part in answers]
    if any(part.ndim != 2 or part.shape[1] != 2 for part in parts):
        raise ValueError("some label was never on, or never off, when it was fitted")
    return np.stack([part[:, 1] for part in parts], 1)


def _add_kind_of_labels(values: NDArray[Any], kind: str) -> Answer:
    """Return a function's answers for several labels with their kind; ValueError if they may mean two things."""
    inside = values.dtype.kind in "biuf" and bool(((values >= 0) & (values <= 1)).all())
    if inside and not kind and bool((values == np.floor(values)).all()):
        return "labels", values
    if inside and not kind:
        raise ValueError(
            "answered with numbers from 0 to 1; say what they are: --robust-output=probability or --robust-output=logit"
        )
    return ("probabilities" if kind == PROBABILITY else "scores"), values


def _place_columns(estimator: Any, values: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Return probabilities (n, classes), each column at its class: an estimator may not have seen all classes."""
    seen = np.asarray(getattr(estimator, "classes_", np.arange(values.shape[-1])))
    if seen.dtype.kind not in "iu" or seen.min() < 0 or seen.max() >= classes or values.shape[-1] != len(seen):
        raise ValueError(f"its classes are {seen.tolist()}, expected whole numbers from 0 to {classes - 1}")
    placed = np.zeros((len(values), classes))
    placed[:, seen] = values
    return placed
