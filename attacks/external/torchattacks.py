"""torchattacks (Kim 2020, 2010.01950): "torchattacks:NAME" reaches each of its attacks, "torchattacks:PGD:steps=20"."""

import inspect
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.registry import ATTACKS, suggest
from robust.attacks.spec import Spec, Value
from robust.attacks.task import Counted, Task, ran_out
from robust.attacks.text import first_line
from robust.attacks.threats.lp import LpThreat

# The names in torchattacks' classes of the arguments that come from the task or the driver.
RADIUS = ("eps", "max_epsilon")
FROM_TASK = {*RADIUS, "norm", "n_classes", "seed"}
NORM_NAMES = {"linf": "Linf", "l2": "L2"}  # some name an L1, which does not run (3.5.1)


class Answer(NamedTuple):
    """The state: torchattacks returns inputs only."""

    x: Tensor
    logits: None


@ATTACKS.register("torchattacks")
@dataclass(frozen=True, slots=True)
class TorchAttack:
    """Run one attack of torchattacks as a single step. Its result is projected onto the threat model, then judged.

    Its random numbers come from the global generator, which is seeded from the seed of the run and restored: unlike
    those of our own attacks they depend on the batch.
    """

    name: str  # the class in torchattacks: "PGD"
    options: tuple[tuple[str, Value], ...] = ()
    steps: ClassVar[int] = 1
    maps: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        accepted = {*inspect.signature(self._cls()).parameters} - {"model"}
        for key, _ in self.options:
            if key in FROM_TASK & accepted:
                raise ValueError(f"torchattacks:{self.name}: {key} comes from the run itself; leave it out")
            if key not in accepted:
                raise ValueError(f"torchattacks:{self.name} has no option {suggest(key, accepted - FROM_TASK)}")

    @classmethod
    def from_spec(cls, spec: Spec) -> "TorchAttack":
        """Make the attack of a spec such as "torchattacks:PGD:steps=20"; raise ValueError for another form."""
        if len(spec.args) != 1:
            raise ValueError(f"{spec}: write torchattacks:NAME, as torchattacks:PGD:steps=20")
        return cls(spec.args[0], spec.options)

    def init(self, task: Task) -> Answer:
        return Answer(task.x, None)

    def step(self, task: Task, state: Answer, k: int) -> Answer:
        if (task.threat.lo, task.threat.hi) != (0.0, 1.0):
            raise ValueError(f"torchattacks needs inputs in [0, 1], not [{task.threat.lo:g}, {task.threat.hi:g}]")
        self._check_norm(task.threat)
        counted = Counted(task.model)  # in evaluation mode, because torchattacks would not restore the mode
        try:
            attack = self._cls()(counted, **{**self._arguments(task), **dict(self.options)})
            attack.set_device(task.x.device)
            with torch.enable_grad():
                x = attack(state.x.clone(), task.y)
        except Exception as error:  # it expects colour images, or more, and may raise anything
            if ran_out(error):
                raise  # a smaller batch may fit
            message = f"{type(error).__name__}: {first_line(error)}"
            raise ValueError(f"torchattacks:{self.name} failed: {message}") from error
        # torchattacks batches samples as it likes, so only the sums are known; each sample gets an equal share.
        task.cost.forwards[task.place] += divide_evenly(counted.forwards, task.place)
        task.cost.backwards[task.place] += divide_evenly(counted.backwards, task.place)
        return Answer(task.threat.project(x.detach().to(task.x.dtype), task.x), None)

    def _arguments(self, task: Task) -> dict[str, object]:
        """Return the arguments of the class that come from the task."""
        accepted = inspect.signature(self._cls()).parameters
        radius = [key for key in RADIUS if key in accepted]
        seed = int(task.rng.key[0]) % 2**31  # it differs between restarts
        norm = NORM_NAMES.get(task.threat.norm)
        values = {**dict.fromkeys(radius, float(task.threat.eps)), "norm": norm, "seed": seed}
        if "n_classes" in accepted:
            with torch.no_grad():
                values["n_classes"] = task.model(task.x[:1]).shape[1]
        if {"eps", "alpha"} <= accepted.keys():  # the default step is for the default eps; it is scaled to ours
            values["alpha"] = accepted["alpha"].default * float(task.threat.eps) / accepted["eps"].default
        return {key: value for key, value in values.items() if key in accepted}

    def _check_norm(self, threat: LpThreat) -> None:
        """Raise ValueError if the class does not support the norm; one with eps and no norm has that of its name."""
        accepted = inspect.signature(self._cls()).parameters
        own = "l2" if self.name.upper().endswith("L2") else "linf"
        supported = [*NORM_NAMES] if "norm" in accepted else [own]
        if threat.norm not in supported and not accepted.keys().isdisjoint(RADIUS):
            mismatch = f"torchattacks:{self.name} is an attack for {' and '.join(supported)}, the threat is {threat}"
            raise ValueError(f"{mismatch}; use apgd, which is for every norm")

    def _cls(self) -> type[Any]:
        """Return the class of torchattacks; raise LookupError if there is none of this name."""
        library = _library()
        names = [name for name, thing in vars(library).items() if inspect.isclass(thing)]
        if self.name not in names:
            raise LookupError(f"torchattacks has no attack {suggest(self.name, names)}")
        cls: type[Any] = getattr(library, self.name)
        return cls


def divide_evenly(total: int, place: Tensor) -> Tensor:
    """Divide `total` into whole numbers that differ by at most 1, one for each of `place`, (n,) int64."""
    n = len(place)
    return torch.arange(total, total + n, device=place.device) // n


def _library() -> ModuleType:
    """Import torchattacks; raise LookupError if it is not installed."""
    try:
        import torchattacks
    except ModuleNotFoundError:
        raise LookupError("torchattacks is not installed; pip install 'pytest-robust[torchattacks]'") from None
    library: ModuleType = torchattacks
    return library
