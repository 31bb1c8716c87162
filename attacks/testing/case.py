"""The argument of a check: an attack under a norm, and its exemptions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from robust.attacks.engine import AnyAttack, Outcome, assail
from robust.attacks.factory import describe, make
from robust.attacks.geometry import Norm
from robust.attacks.rng import Rng
from robust.attacks.task import Model
from robust.attacks.testing.models import inputs, network, straight
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.pixels import PixelThreat
from robust.attacks.threats.threat import Part

NORMS: tuple[Norm, ...] = get_args(Norm)
THREATS = {"linf": "linf:0.05", "l2": "l2:0.5", "l1": "l1:2", "l0": "l0:5"}
SHAPES = ((1, 8, 8), (64,), (4, 16), (1, 2, 32), (2, 2, 4, 4))


@dataclass(frozen=True, slots=True)
class Case:
    """An attack, or the spec of one, under one norm, or under l0.

    The other fields are for attacks that keep the contract in part. One that is `batchwise` draws from the global
    generator, once for a batch, as those of other libraries do: its outcomes may depend on the batch.
    """

    attack: AnyAttack | str
    norm: Norm | Literal["l0"]
    batchwise: bool = False
    shapes: tuple[tuple[int, ...], ...] = SHAPES  # of the inputs that it accepts; most checks use the first
    classes: tuple[int, ...] = (10, 2, 100)  # of the models that it supports; most checks use the first

    def __str__(self) -> str:
        return f"{self.attack if isinstance(self.attack, str) else describe(self.attack)} under {self.threat}"

    @property
    def threat(self) -> Part:
        """Return the threat model of the norm, or of a few pixels (l0)."""
        return PixelThreat.parse(THREATS[self.norm]) if self.norm == "l0" else LpThreat.parse(THREATS[self.norm])

    def make(self) -> AnyAttack:
        """Return the attack as an object."""
        return make(self.attack) if isinstance(self.attack, str) else self.attack

    def data(self, n: int = 50, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Tensor, Tensor]:
        """Return (model, x, y): n samples of the first shape, all answered right."""
        x = inputs(n, self.shapes[0], dtype)
        model = network(x[0].numel(), self.classes[0], dtype)
        return model, x, model(x).argmax(1)

    def run(self, model: Model, x: Tensor, y: Tensor, index: Tensor | None = None) -> Outcome:
        """Run the attack on the samples."""
        with self.expect_no_error(x):
            rng = 3 if index is None else Rng.of(3, index)
            return assail(model, self.make(), x, y, self.threat, seed=rng)

    @contextmanager
    def expect_no_error(self, x: Tensor) -> Iterator[None]:
        """Raise AssertionError if the attack raises within the block."""
        try:
            yield
        except AssertionError:
            raise
        except Exception as error:
            fault = f"raised {type(error).__name__} for {kind(x)}: {error}"
            raise AssertionError(f"{self}: {fault}; expected it to work") from error

    def require(self, condition: bool, message: str) -> None:
        """Raise AssertionError with the message if the condition is False."""
        if not condition:
            raise AssertionError(f"{self}: {message}")


def norms_of(attack: AnyAttack | str) -> tuple[Norm, ...]:
    """Return the norms of an attack: those that it does not refuse with a ValueError which names the norm."""
    return tuple(norm for norm in NORMS if norm not in refusal(Case(attack, norm)))


def refusal(case: Case) -> str:
    """Return the message of the ValueError with which the attack refuses the norm; "" if it raises none."""
    x, y = torch.full((1, *case.shapes[0]), 0.5, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    brittle = straight(1.0, 1e-4, x.numel())  # nearly any step fools it, so that the attack ends early
    attack = case.make()
    try:
        assail(brittle, attack, x, y, case.threat)
    except ValueError as error:
        return str(error)
    except Exception:  # the checks report it
        return ""
    return ""


def kind(thing: object) -> str:
    """Describe a value in a message: "float64 (50, 1, 8, 8)"."""
    if not isinstance(thing, Tensor):
        return type(thing).__name__
    return f"{str(thing.dtype).removeprefix('torch.')} {tuple(thing.shape)}"
