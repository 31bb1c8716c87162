"""The options that every recipe has: how the optimiser lowers the recipe's loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from robust.attacks.registry import suggest

# (share of the training that is done) -> share of the peak learning rate.
SHAPES: dict[str, Callable[[float], float]] = {
    "cyclic": lambda t: min(t / 0.4, (1 - t) / 0.6),  # as the code of 2001.03994
    "cosine": lambda t: (1 + math.cos(math.pi * t)) / 2,
    "piecewise": lambda t: 1.0 if t < 0.5 else 0.1 if t < 0.75 else 0.01,  # as Rice et al. 2020 (2002.11569)
    "constant": lambda t: 1.0,
}

MODES = ("eval", "train")

RATES = {"sgd": 0.1, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3}  # the peak, by default

CHOICES = {
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
    """The options of the optimisation: by default SGD with momentum, and a rate that rises and falls linearly once.

    That cycle is the one of Wong, Rice and Kolter 2020 (2001.03994).
    """

    epochs: int = 30
    batch: int = 64
    optimiser: str = "sgd"  # adam, adamw, rmsprop
    lr: float | None = None  # the peak; by default a rate that suits the optimiser
    momentum: float = 0.9  # for sgd (Nesterov's) and rmsprop
    weight_decay: float = 5e-4
    schedule: str = "one-cycle"  # cyclic, cosine, piecewise, constant
    warmup: int = 0  # epochs over which the rate rises first; not with one-cycle
    clip: float = 0.0  # the largest norm of the gradient of all weights; 0: no limit
    l1: float = 0.0  # the loss grows by this times the sum of all weights' absolute values
    dropout: float | None = None  # the rate of the dropout layers that the module has; None: their own
    smoothing: float = 0.0  # the share of each label that is spread over all classes alike
    class_weights: str = "none"  # balanced: rare classes weigh more in the loss
    sampling: str = "shuffled"  # balanced: every class is drawn equally often
    augment: str = "none"  # crop-flip, trivial
    craft: str = "eval"  # train: batch norm and dropout as in training while the attack crafts inputs
    init: str = "own"  # xavier, he: new weights for all linear layers and convolutions
    pretrained: str = ""  # a file of weights to start from
    freeze: str = ""  # parameters whose names begin so are not trained; several are joined by +
    patience: int = 0  # stop after this many epochs without a new best; 0: never
    sync_norm: bool = False  # with several processes, batch norm uses the whole batch's statistics
    precision: str = "float32"  # bfloat16: in the layers that support it, while training
    channels_last: bool = False  # the memory layout of images

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: unknown word {suggest(getattr(self, name), choices)}")
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
