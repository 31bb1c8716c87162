"""Models that take batches of some sizes only: the sizes are found by trying, and other batches are cut to them.

A size is often kept inside: in a view to a fixed shape, in a hidden state, in a squeeze that loses the axis of one.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.attacks.state import restore_known
from robust.device import device_of
from robust.models.output_reader import tensors_in
from robust.models.program import call_in_parts

TRIED = 16  # the batch that most models are tried on; what they take of 1, 2 and 16 they take of all
FEW = (1, 2, 3, 4, 8)
USUAL = (32, 64, 128, 256, 10, 20, 25, 50, 100, 200, 250, 500, 512, 1000, 24, 48, 96, 5, 6, 7, 12)
MAX_SIZE = 1024  # that is tried
HINTS = 8  # numbers of an error message, or of a state, that are tried as sizes
MAX_CHANGE = 0.03  # of the range of the answers, as in depends-on-batch


class Sizes(NamedTuple):
    """The sizes of batches that a module takes, both included."""

    least: int
    most: float  # math.inf: any

    def repeat(self, x: Tensor) -> Tensor:
        """Return the inputs x, (n, *shape), as one batch of a size that the module takes."""
        return x[torch.arange(int(min(max(len(x), self.least), self.most))) % len(x)]

    def __str__(self) -> str:
        """Return a note for the user."""
        if self.most == math.inf:
            return f"it takes no batch below {self.least}, so a smaller one is filled up with copies"
        if self.least < self.most:
            return f"it takes no batch above {self.most}, so a larger one is cut"
        return f"it takes batches of {self.least} only, so others are cut, or filled up with copies"


class Parted:
    """The forward of a module that takes batches of some sizes only: it takes any."""

    def __init__(self, forward: Callable[..., Any], sizes: Sizes) -> None:
        self.forward = forward
        self.sizes = sizes

    def __call__(self, x: Tensor) -> Any:
        def forward(part: Tensor) -> Any:
            restore_known()  # or a state would be carried from one part to the next
            return self.forward(part)

        return call_in_parts(forward, x, self.sizes.least, self.sizes.most)


def fit_batches(module: nn.Module, x: Tensor) -> Sizes | None:
    """Let the module take batches of any size, if only their size is what it refuses; return which it takes, else None.

    It is tried on the inputs x, (n, *shape). Nothing is changed if no size will do: `check_model` says what is wrong.
    """
    sizes = _find_sizes(_Trials(module, x.to(device_of(module))))
    if sizes is not None:
        setattr(module, "forward", Parted(module.forward, sizes))  # noqa: B010 -- a method, to mypy
    return sizes


class _Trials:
    """The answers of a module to batches of several sizes, made of the same inputs."""

    def __init__(self, module: nn.Module, x: Tensor) -> None:
        self.module = module
        self.message = ""  # of the last error
        self._x = x
        self._answers: dict[int, Tensor | None] = {}

    def takes(self, n: int) -> bool:
        return self.ask(n) is not None

    def ask(self, n: int) -> Tensor | None:
        """Return the first tensor of the answer to a batch of n, as (n, numbers); None if the batch is not taken."""
        if n not in self._answers:
            self._answers[n] = self._ask(n)
        return self._answers[n]

    def _ask(self, n: int) -> Tensor | None:
        try:
            with eval_mode(self.module), torch.no_grad():
                answer = self.module(self._x[torch.arange(n) % len(self._x)])
        except Exception as error:  # a user's code may raise anything
            self.message = str(error)
            return None
        tensor = next((tensor for _, tensor in tensors_in(answer)), None)
        if tensor is None or not tensor.numel():
            return None
        refuse_unusual(tensor)
        squeezed = n == 1 and tensor.dim() < 2
        if tensor.shape[:1] != (n,) and not squeezed:
            return None
        return tensor.detach().reshape(n, -1)

    def agree(self, one: int, other: int) -> bool:
        """Whether the same inputs are answered alike in batches of two sizes."""
        few, many = self.ask(one), self.ask(other)
        return few is not None and many is not None and agree(few, many)


def find_unusual(answer: Tensor) -> str:
    """Return how a tensor is no plain array of numbers, in a word; "" if it is one."""
    kinds = {"nested": answer.is_nested, "meta": answer.is_meta, "quantised": answer.is_quantized}
    kinds["sparse"] = not answer.is_nested and answer.layout is not torch.strided
    return next((name for name, found in kinds.items() if found), "")


def refuse_unusual(answer: Tensor) -> None:
    """Raise ValueError for an answer that is no plain array of numbers, by which no attack can go."""
    if kind := find_unusual(answer):
        plain = "to_padded_tensor" if kind == "nested" else "dequantize" if kind == "quantised" else "to_dense"
        raise ValueError(f"the model answers with a {kind} tensor, expected a plain one of logits, as by .{plain}()")


def agree(few: Tensor, many: Tensor) -> bool:
    """Whether inputs are answered alike in a small batch, `few`, and as the first of a larger one, `many`.

    What depends-on-batch allows is no difference.
    """
    width = many.numel() // len(many)
    if few.numel() % width or few.numel() > many.numel():
        return False
    small, large = few.detach().cpu().double().flatten(), many.detach().cpu().double().flatten()
    change = (small - large[: len(small)]).abs().amax()
    return not bool(change > MAX_CHANGE * (large.amax() - large.amin()))


def _find_sizes(trials: _Trials) -> Sizes | None:
    """Return the sizes that the module takes; None if it takes any, or none that is tried."""
    if trials.takes(TRIED):
        return None if trials.agree(1, TRIED) and trials.agree(2, TRIED) else _find_least(trials)
    if trials.takes(1):
        return Sizes(1, max(n for n in FEW if trials.takes(n)))
    fixed = next((n for n in _candidates(trials) if trials.takes(n)), None)
    return None if fixed is None else Sizes(fixed, fixed)


def _find_least(trials: _Trials) -> Sizes | None:
    """Return from which size on the module answers; None if its answers depend on the batch, as the preflight says."""
    taken = [n for n in FEW[1:] if trials.takes(n)]
    if not taken or not all(trials.agree(n, TRIED) for n in taken):
        return None
    return Sizes(taken[0], math.inf)


def _candidates(trials: _Trials) -> Iterator[int]:
    """Yield sizes to try: the numbers in the error message, those of tensors that the model keeps, and usual ones."""
    told = [int(number) for number in re.findall(r"\d+", trials.message)][:HINTS]
    kept = [
        size
        for part in trials.module.modules()
        for value in [*vars(part).values(), *part._buffers.values()]
        for tensor in (value if isinstance(value, tuple | list) else [value])
        if isinstance(tensor, Tensor)
        for size in tensor.shape[:2]
    ][:HINTS]
    yield from (n for n in dict.fromkeys([*kept, *told, *FEW, *USUAL]) if 0 < n <= MAX_SIZE)
