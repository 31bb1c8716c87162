"""Verify that inputs are adversarial: by the ball measured anew, and by the model as it is deployed.

Each is shown together with its clean input, in another order and in batches of another size than the attack's. The
model must answer the one right and the other wrong there, so that what depends on the batch does not pass.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from robust.data.lazy_inputs import LazyInputs
from robust.flags import Flags
from robust.sampling import shuffled_rows
from robust.verification.distances import Floats, within

Faults = NDArray[np.int8]  # (n,): 0 where an input is verified, else what is wrong with it first

LARGE, OUTSIDE, ODD, KEPT, FALSE = range(1, 6)
TOLD = {
    LARGE: "larger than eps",
    OUTSIDE: "outside the data's bounds",
    ODD: "answered with NaN or infinity",
    KEPT: "answered right",
    FALSE: "of a sample that is answered wrong as it is",
}

NEAR = 1e-3  # of the largest logit: by less than that rounding in another batch, TF32's too, may change an answer


class Verification(NamedTuple):
    """What another look at n inputs found."""

    fault: Faults
    near: Flags  # (n,): the answer that decides is so near to another that rounding may change it

    @property
    def wrong(self) -> Faults:
        """`fault`, but 0 also where rounding explains it."""
        return np.where((self.fault >= KEPT) & self.near, 0, self.fault).astype(np.int8)

    @property
    def edge(self) -> int:
        """How many faults rounding explains."""
        return int(((self.fault > 0) & (self.wrong == 0)).sum())


def verify(
    module: nn.Module,
    x_adv: NDArray[np.float32],
    x: NDArray[np.float32] | LazyInputs,
    y: NDArray[np.int64],
    threat: str,
    bounds: tuple[float, float],
    *,
    batch: int,
    seed: int = 0,
) -> Verification:
    """Whether each of the inputs x_adv, (n, *features), is admitted in place of x and changes the right answer y.

    `batch` is the attack's; the model is asked in evaluation mode, and left as it was.
    """
    small, inside = within(threat, bounds, x_adv, x)
    look = changed(module, x_adv, x, y, batch=batch, seed=seed)
    look.fault[~inside], look.fault[~small] = OUTSIDE, LARGE
    return look


def changed(
    module: nn.Module,
    x_adv: NDArray[np.float32],
    x: NDArray[np.float32] | LazyInputs,
    y: NDArray[np.int64],
    *,
    batch: int,
    seed: int = 0,
) -> Verification:
    """Whether the model answers each x right and each x_adv wrong; how large the change is, is not asked."""
    n = len(y)

    def shown(places: NDArray[np.int64]) -> NDArray[np.float32]:
        """The clean inputs come first, then the others."""
        which, row = np.divmod(places, n)
        found = np.array(x_adv[row])
        found[which == 0] = x[row[which == 0]]
        return found

    finite, right, near = (flags.reshape(2, n) for flags in _answers(module, shown, np.tile(y, 2), batch, seed))
    fault = np.zeros(n, np.int8)
    fault[right[1]], fault[~finite.all(0)], fault[finite[0] & ~right[0]] = KEPT, ODD, FALSE
    return Verification(fault, np.where(fault == FALSE, near[0], near[1]))


def right(
    module: nn.Module, x: NDArray[np.float32] | LazyInputs, y: NDArray[np.int64], *, batch: int
) -> tuple[Flags, Flags]:
    """Of clean inputs: (answered right, so near to another answer that rounding may change it), each (n,)."""
    _, found, near = _answers(module, lambda places: x[places], y, batch, seed=0)
    return found, near


def describe_faults(fault: Faults) -> str:
    """What is wrong, in words: "11 answered right, 2 larger than eps"; "" where nothing is."""
    counts = np.bincount(fault, minlength=1 + len(TOLD))
    return ", ".join(f"{counts[kind]} {words}" for kind, words in TOLD.items() if counts[kind])


def _answers(
    module: nn.Module,
    shown: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    y: NDArray[np.int64],
    batch: int,
    seed: int,
) -> tuple[Flags, Flags, Flags]:
    """(finite, right, near to another answer), each as long as y, of the inputs that `shown` gives for places in y."""
    finite, right, near = (np.zeros(len(y), bool) for _ in range(3))
    order, size = shuffled_rows(len(y), seed), batch // 2 or 2
    with _deployed(module, seed) as device:
        for start in range(0, len(y), size):
            rows = order[start : start + size]
            logits = module(torch.from_numpy(shown(rows)).to(device)).float().cpu().numpy()
            finite[rows], right[rows], near[rows] = _judged(logits.astype(np.float64), y[rows])
    return finite, right, near


def _judged(logits: Floats, y: NDArray[np.int64]) -> tuple[Flags, Flags, Flags]:
    """(finite, right, right or wrong by so little that rounding may change it), each (m,)."""
    finite: Flags = np.logical_and.reduce(np.isfinite(logits), axis=1)
    logits = np.where(finite[:, None], logits, 0)
    rest = logits.copy()
    rest[np.arange(len(y)), y] = -np.inf
    gap = logits[np.arange(len(y)), y] - rest.max(1)
    return finite, finite & (logits.argmax(1) == y), np.abs(gap) <= NEAR * np.abs(logits).max(1)


@contextmanager
def _deployed(module: nn.Module, seed: int) -> Iterator[torch.device]:
    """The module in evaluation mode, without gradients; yields where it is. Modes and random streams are restored."""
    modes: dict[Any, bool] = {part: part.training for part in module.modules()}
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    indices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=indices), torch.no_grad():
        torch.default_generator.manual_seed(seed % 2**63)
        for index in indices:
            torch.cuda.default_generators[index].manual_seed(seed % 2**63)
        try:
            module.eval()
            yield device
        finally:
            for part, training in modes.items():
                part.training = training
