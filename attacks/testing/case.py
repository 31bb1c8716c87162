"""What a check is given: an attack under a norm, and from what it is exempt."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from robust.attacks.engine import AnyAttack, Outcome, assail
from robust.attacks.factory import describe, make
from robust.attacks.geometry import Norm
from robust.attacks.task import Model
from robust.attacks.testing.models import inputs, network, straight
from robust.attacks.threats.lp import LpThreat

NORMS: tuple[Norm, ...] = get_args(Norm)
THREATS = {"linf": "linf:0.05", "l2": "l2:0.5", "l1": "l1:2"}
SHAPES = ((1, 8, 8), (64,), (4, 16), (1, 2, 32), (2, 2, 4, 4))


@dataclass(frozen=True, slots=True)
class Case:
    """An attack, or the word for one, under one norm.

    The rest is for what keeps the contract in part. An attack that is `batchwise` draws from the global generator, once
    for a batch, as those of other libraries do: its outcomes may depend on the batch, and on nothing else.
    """

    attack: AnyAttack | str
    norm: Norm
    batchwise: bool = False
    shapes: tuple[tuple[int, ...], ...] = SHAPES  # of the inputs that it takes; the first is in most checks
    classes: tuple[int, ...] = (10, 2, 100)  # of the models that it copes with; the first is in most checks

    def __str__(self) -> str:
        return f"{self.attack if isinstance(self.attack, str) else describe(self.attack)} under {self.threat}"

    @property
    def threat(self) -> LpThreat:
        return LpThreat.parse(THREATS[self.norm])

    def made(self) -> AnyAttack:
        return make(self.attack) if isinstance(self.attack, str) else self.attack

    def data(self, n: int = 50, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Tensor, Tensor]:
        """(model, x, y): n samples of the first shape, all answered right."""
        x = inputs(n, self.shapes[0], dtype)
        model = network(x[0].numel(), self.classes[0], dtype)
        return model, x, model(x).argmax(1)

    def run(self, model: Model, x: Tensor, y: Tensor, index: Tensor | None = None) -> Outcome:
        """What the attack does to the samples."""
        with self.working(x):
            return assail(model, self.made(), x, y, self.threat, seed=3, index=index)

    @contextmanager
    def working(self, x: Tensor) -> Iterator[None]:
        """AssertionError where the attack raises."""
        try:
            yield
        except AssertionError:
            raise
        except Exception as error:
            told = f"raised {type(error).__name__} for {kind(x)}: {error}"
            raise AssertionError(f"{self}: {told}; expected it to work") from error

    def hold(self, kept: bool, told: str) -> None:
        if not kept:
            raise AssertionError(f"{self}: {told}")


def norms_of(attack: AnyAttack | str) -> tuple[Norm, ...]:
    """The norms that an attack is for: those that it does not refuse with a ValueError which names the norm."""
    return tuple(norm for norm in NORMS if norm not in refusal(Case(attack, norm)))


def refusal(case: Case) -> str:
    """The message of the ValueError with which the attack refuses the norm, "" where it does not raise one."""
    x, y = torch.full((1, *case.shapes[0]), 0.5, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    brittle = straight(1.0, 1e-4, x.numel())  # nearly any step breaks it, so that the attack is done in a few
    attack = case.made()
    try:
        assail(brittle, attack, x, y, case.threat)
    except ValueError as error:
        return str(error)
    except Exception:  # the checks will tell
        return ""
    return ""


def kind(thing: object) -> str:
    """A value in a message: "float64 (50, 1, 8, 8)"."""
    if not isinstance(thing, Tensor):
        return type(thing).__name__
    return f"{str(thing.dtype).removeprefix('torch.')} {tuple(thing.shape)}"
