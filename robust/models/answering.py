"""Models whose answers are random: whether they are, and what forms the deployed answer of them."""

import pickle
import random
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.drawn import Drawn
from robust.attacks.draws import LEVEL, Draws
from robust.attacks.engine import eval_mode
from robust.device import device_of

MAX_NOISE = 1e-3  # of the answers' range: kernels that add in another order differ by far less
SEEDS = (0, 1, 0)  # of the answers to a few inputs: the same twice, and another
MORE = (2, 3, 4, 5, 6)  # of further ones, of a model that draws numbers without a difference so far
ONCE_MORE = (0, 0, 0)  # of further repeats: an answer that torch's seed does not decide may be near the first by chance


def add_draws(module: nn.Module, draws: str, labels: LabelKind) -> nn.Module:
    """Return the module with how its answers are formed of draws; itself for "", the word of one that is not random.

    ValueError, in one line, if answers to these labels cannot be formed so.
    """
    return Drawn(module, draws, labels) if draws else module


def draws_of(module: nn.Module) -> str:
    """Return how the answers of a module are formed of draws; "" of one that is not random."""
    return str(module.draws) if isinstance(module, Drawn) else ""


def describe_draws(draws: str, *, asked: bool) -> str:
    """Return how a random model is judged, for people; `asked` says that the user said so, and not what was found."""
    words, found = Draws.parse(draws), "" if asked else "its answers are random: "
    return (
        f"{found}an answer is {words.describe()}, and counts as wrong unless a test at {100 * LEVEL:g} % "
        f"shows that it is right more often than not; {words.describe_cost()}"
    )


def count_draws(module: nn.Module) -> int:
    """Return of how many draws an answer of the module is formed; 1 of one that is not random."""
    return module.draws.n if isinstance(module, Drawn) else 1


def compare_answers(module: nn.Module, x: Tensor) -> Literal["same", "drawn", "changing"]:
    """Tell whether the answers to x, a few inputs (n, *shape), are always the same, or drawn, or change otherwise.

    Drawn: torch's seed decides which they are. If they change without it, what the model counts or keeps may be the
    cause. A model whose answers agree is asked more often only if a forward draws from a global stream: what is rare
    may show then. A model that fails is "same"; `check_model` says why it fails.
    """
    x = x.to(device_of(module))
    try:
        (first, draws), (other, _), (again, _) = (_ask(module, x, seed) for seed in SEEDS)
        size = MAX_NOISE * float(first.max() - first.min())
        repeated, change = (float((one - first).abs().max()) for one in (again, other))
        for seed in MORE:
            if max(repeated, change) > size or not draws:
                break
            change = float((_ask(module, x, seed)[0] - first).abs().max())
        for seed in ONCE_MORE:
            if repeated > size or not change > size:
                break
            repeated = float((_ask(module, x, seed)[0] - first).abs().max())
    except Exception:  # a user's code may raise anything
        return "same"
    if not max(repeated, change) > size:  # also NaN
        return "same"
    return "drawn" if repeated <= size else "changing"


def _ask(module: nn.Module, x: Tensor, seed: int) -> tuple[Tensor, bool]:
    """Return the answer to x, and whether it took numbers from a global stream of random ones."""
    with eval_mode(module, seed), torch.no_grad():
        before = _read_streams(x.device)
        answer: Tensor = module(x.clone())
        return answer, before != _read_streams(x.device)


def _read_streams(device: torch.device) -> tuple[object, ...]:
    """Return the states of the global streams of random numbers: torch's, numpy's and Python's."""
    states = [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]
    return *(state.numpy().tobytes() for state in states), pickle.dumps(np.random.get_state()), random.getstate()
