"""Reading answers as logits, (n, classes): out of containers, of one column or several, logits or probabilities."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from robust.models.output_form import LOG_PROBABILITY, PROBABILITY, OutputForm

MAX_DEPTH = 4  # of containers in containers
HALVES = (torch.float16, torch.bfloat16)
IS_EXPORTING = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)  # the former since torch 2.7
TINY, EDGE = 1e-30, 1e-7  # a probability of 0 in a logarithm; of 0 or 1 in log-odds, where float32 ends
MAX_ERROR = 1e-4  # of probabilities: of their sum, and of what a final sigmoid or softmax gives again


class Reader:
    """The forward of a module whose answers need reading: it returns logits (n, classes), or as many numbers."""

    def __init__(self, forward: Callable[..., Any], form: OutputForm, classes: int, *, exclusive: bool = True) -> None:
        self.forward = forward
        self.form = form
        self.classes = classes
        self.exclusive = exclusive  # whether one class excludes the others; else each is a label of its own

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        if self.form.kind not in (PROBABILITY, LOG_PROBABILITY):
            return self._columns(self._take(self.forward(*args, **kwargs)), args)
        with LastActivation() as last:
            answer = self._take(self.forward(*args, **kwargs))
        return self.decode(self._columns(answer, args), last)

    def decode(self, answer: Tensor, last: "LastActivation") -> Tensor:
        """Return logits, (n, classes), of probabilities or their logarithms, (n, classes) or of two classes (n, 1)."""
        answer = self._columns(answer, (answer,))
        if self.form.kind == PROBABILITY and not self.exclusive:
            return _of_separate(answer, last)
        if self.form.kind == PROBABILITY:
            return _of_probabilities(answer, last)
        return next(exact_logits(answer, last), answer - answer.mean(1, keepdim=True))

    def _take(self, output: Any) -> Tensor:
        tensor = dict(tensors_in(output)).get(self.form.name)
        if tensor is None:
            raise ValueError(f"the model answered without {self.form.name!r}, which it held before")
        return tensor.float() if tensor.dtype in HALVES else tensor

    def _columns(self, answer: Tensor, args: tuple[Any, ...]) -> Tensor:
        """Return the answer as (n, classes): of one column z, 0 and z, or of a probability p, 1 - p and p."""
        n = len(args[0])
        if answer.numel() == n * self.classes:
            return answer.reshape(n, self.classes)
        if answer.numel() != n:
            raise ValueError(f"the model answered {n} inputs with shape {[*answer.shape]}")
        column = answer.reshape(n)
        others: dict[str, Callable[[Tensor], Tensor]] = {
            PROBABILITY: lambda p: 1 - p,
            LOG_PROBABILITY: lambda logs: torch.log1p(-logs.exp().clamp_max(1 - EDGE)),
        }
        return torch.stack([others.get(self.form.kind, torch.zeros_like)(column), column], 1)


class LastActivation(TorchFunctionMode):
    """The input of the last sigmoid or softmax that the code inside calls, the logits if it is the model's end."""

    def __init__(self) -> None:
        super().__init__()
        self.x: Tensor | None = None
        self.name = ""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "").rstrip("_")
        inputs = [*args, *(kwargs or {}).values()]
        if name in LAST_STEPS and inputs and isinstance(inputs[0], Tensor):
            self.x = inputs[0].clone() if func.__name__.endswith("_") else inputs[0]
            self.name = name
        return func(*args, **(kwargs or {}))


def _of_probabilities(probabilities: Tensor, last: LastActivation) -> Tensor:
    """Return logits of probabilities (n, classes): what a final sigmoid or softmax took, or else their logarithms.

    In float32 a probability above 1 - 6e-8 is 1: there the logarithm has no gradient, and the last step's input has.
    """
    for logits in exact_logits(probabilities, last):
        return logits.to(probabilities.dtype)
    probabilities = probabilities.where(probabilities.isfinite(), torch.nan)  # or a clamp would hide them
    if sum_to_one(probabilities):
        logs = probabilities.clamp_min(TINY).log()
        return logs - logs.mean(1, keepdim=True)  # or they would be taken for log-probabilities that the user gave
    return probabilities.logit(EDGE)


def _of_separate(probabilities: Tensor, last: LastActivation) -> Tensor:
    """Return the log-odds of probabilities, each for itself: what a final sigmoid took, or else by the logarithm."""
    if last.name == "sigmoid":
        for logits in exact_logits(probabilities, last):
            return logits.to(probabilities.dtype)
    return probabilities.where(probabilities.isfinite(), torch.nan).logit(EDGE)


def exact_logits(probabilities: Tensor, last: LastActivation) -> Iterator[Tensor]:
    """Yield the logits that `last` took, if its step is what made the probabilities, (n, classes)."""
    x, n = last.x, len(probabilities)
    if x is None or not x.is_floating_point():
        return
    if x.numel() == probabilities.numel():
        logits = x.reshape(probabilities.shape)
        if _alike(LAST_STEPS[last.name](logits), probabilities):
            yield logits
    elif last.name == "sigmoid" and x.numel() == n and probabilities.shape[1] == 2:
        column = x.reshape(n)
        zero = torch.zeros_like(column)
        for logits in (torch.stack(pair, 1) for pair in ((zero, column), (column, zero))):
            if _alike(logits.softmax(1), probabilities):
                yield logits


# The last steps that are undone, by the name of their function.
LAST_STEPS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softmax": lambda logits: logits.softmax(1),
    "log_softmax": lambda logits: logits.log_softmax(1),
}


def _alike(one: Tensor, other: Tensor) -> bool:
    if IS_EXPORTING():  # then no value is known; whoever exports compares the answers
        return True
    return bool(((one.detach().float() - other.detach().float()).abs() <= MAX_ERROR).all())


def sum_to_one(answer: Tensor, error: float = MAX_ERROR) -> bool:
    """Whether the finite rows of an answer, (n, columns), each sum to 1."""
    sums = answer.detach().cpu().double().sum(1)
    return not bool(((sums - 1).abs() > error).any())


def tensors_in(output: Any, depth: int = MAX_DEPTH) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in an answer with their names: "" for a tensor alone, "logits", "0", "heads.1"."""
    if isinstance(output, Tensor):
        yield "", output
    elif depth:
        for name, part in _parts(output):
            for below, tensor in tensors_in(part, depth - 1):
                yield ".".join(filter(None, (name, below))), tensor


def _parts(output: Any) -> list[tuple[str, Any]]:
    """Return the parts of a container by name; none for what is no container."""
    if isinstance(output, Mapping):
        return [(str(key), part) for key, part in output.items()]
    if dataclasses.is_dataclass(output):
        return [(field.name, getattr(output, field.name)) for field in dataclasses.fields(output)]
    if isinstance(output, tuple | list):
        names = getattr(output, "_fields", range(len(output)))
        return [(str(name), part) for name, part in zip(names, output, strict=False)]
    return [*getattr(output, "__dict__", {}).items()]
