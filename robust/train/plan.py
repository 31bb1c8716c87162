"""What every recipe shares: how the optimiser goes down the loss that the recipe gives it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from robust.attacks.registry import suggest

# The share of the peak at a share t of the training.
SHAPES: dict[str, Callable[[float], float]] = {
    "cyclic": lambda t: min(t / 0.4, (1 - t) / 0.6),  # as the code of 2001.03994
    "cosine": lambda t: (1 + math.cos(math.pi * t)) / 2,
    "piecewise": lambda t: 1.0 if t < 0.5 else 0.1 if t < 0.75 else 0.01,  # as Rice et al. 2020 (2002.11569)
    "constant": lambda t: 1.0,
}

MODES = ("eval", "train")

RATES = {"sgd": 0.1, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3}  # the peak, where none is given

WORDS = {
    "optimiser": tuple(RATES),
    "schedule": ("one-cycle", *SHAPES),
    "init": ("own", "xavier", "he"),
    "craft": MODES,
    "class_weights": ("none", "balanced"),
    "sampling": ("shuffled", "balanced"),
    "augment": ("none", "crop-flip", "trivial"),
    "precision": ("float32", "bfloat16"),
}
ABOVE_0 = ("epochs", "batch", "lr")
AT_LEAST_0 = ("weight_decay", "warmup", "clip", "l1", "patience")
SHARES = ("momentum", "smoothing", "dropout")


@dataclass(frozen=True, slots=True)
class Plan:
    """By default SGD with momentum, and a learning rate that rises and falls linearly once.

    The cycle is that of Wong, Rice and Kolter 2020 (2001.03994).
    """

    epochs: int = 30
    batch: int = 64
    optimiser: str = "sgd"  # adam, adamw, rmsprop
    lr: float | None = None  # the peak; by default what suits the optimiser
    momentum: float = 0.9  # of sgd (Nesterov's) and rmsprop
    weight_decay: float = 5e-4
    schedule: str = "one-cycle"  # cyclic, cosine, piecewise, constant
    warmup: int = 0  # epochs over which the rate rises first; of the other schedules
    clip: float = 0.0  # the longest that the gradient of all weights may be; 0: as it is
    l1: float = 0.0  # times the sum of all weights' sizes is added to the loss
    dropout: float | None = None  # of the dropout layers that the module has; None: their own
    smoothing: float = 0.0  # of the labels: this share goes to all classes alike
    class_weights: str = "none"  # balanced: a class counts by how rare it is
    sampling: str = "shuffled"  # balanced: every class is drawn alike often
    augment: str = "none"  # crop-flip, trivial
    craft: str = "eval"  # train: batch norm and dropout as in training while inputs are searched for
    init: str = "own"  # xavier, he: anew, of all linear layers and convolutions
    pretrained: str = ""  # a file of weights to start from
    freeze: str = ""  # parameters whose names begin so, several joined by +, stay as they are
    patience: int = 0  # stop after so many epochs that were no better than the best; 0: never
    sync_norm: bool = False  # of several processes batch norm takes the whole batch's statistics
    precision: str = "float32"  # bfloat16: of the layers that bear it, while training
    channels_last: bool = False  # the order in which pictures lie in memory

    def __post_init__(self) -> None:
        for name, known in WORDS.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: unknown word {suggest(getattr(self, name), known)}")
        if self.lr is None:
            object.__setattr__(self, "lr", RATES[self.optimiser])
        for field in fields(self):
            _check(field.name, getattr(self, field.name))
        if self.warmup and self.schedule == "one-cycle":
            raise ValueError("warmup: one-cycle rises by itself; use it with cosine, piecewise or constant")
        if self.pretrained and not Path(self.pretrained).is_file():
            raise ValueError(f"pretrained: no such file (looked for {Path(self.pretrained).absolute()})")
        if self.pretrained and self.init != "own":
            raise ValueError("pretrained: weights from a file would be overwritten by init; give one of the two")


def _check(name: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if name in ABOVE_0 and not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be above 0, got {value:g}")
    if name in AT_LEAST_0 and value < 0:
        raise ValueError(f"{name} must be 0 or above, got {value:g}")
    if name in SHARES and not 0 <= value < 1:
        raise ValueError(f"{name} must be from 0 to below 1, got {value:g}")
