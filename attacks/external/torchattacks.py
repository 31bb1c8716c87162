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

# What torchattacks' classes call the things that a task fixes, or that the driver gives.
RADIUS = ("eps", "max_epsilon")
TASK_OWNS = {*RADIUS, "norm", "n_classes", "seed"}
NORM_WORD = {"linf": "Linf", "l2": "L2"}  # it names an L1 for some, which does not run (3.5.1)


class Answer(NamedTuple):
    """The state: torchattacks gives inputs only."""

    x: Tensor
    logits: None


@ATTACKS.register("torchattacks")
@dataclass(frozen=True, slots=True)
class TorchAttack:
    """One attack of torchattacks, as a single step. What it returns is projected onto the threat model, then judged.

    Its random numbers come from the global generator, seeded from the run's seed and restored: unlike those of our own
    attacks they depend on the batch.
    """

    name: str  # the class in torchattacks: "PGD"
    options: tuple[tuple[str, Value], ...] = ()
    steps: ClassVar[int] = 1

    def __post_init__(self) -> None:
        accepted = {*inspect.signature(self._cls()).parameters} - {"model"}
        for key, _ in self.options:
            if key in TASK_OWNS & accepted:
                raise ValueError(f"torchattacks:{self.name}: {key} comes from the run itself; leave it out")
            if key not in accepted:
                raise ValueError(f"torchattacks:{self.name} has no option {suggest(key, accepted - TASK_OWNS)}")

    @classmethod
    def from_spec(cls, spec: Spec) -> "TorchAttack":
        if len(spec.args) != 1:
            raise ValueError(f"{spec}: write torchattacks:NAME, as torchattacks:PGD:steps=20")
        return cls(spec.args[0], spec.options)

    def init(self, task: Task) -> Answer:
        return Answer(task.x, None)

    def step(self, task: Task, state: Answer, k: int) -> Answer:
        if (task.threat.lo, task.threat.hi) != (0.0, 1.0):
            raise ValueError(f"torchattacks needs inputs in [0, 1], not [{task.threat.lo:g}, {task.threat.hi:g}]")
        self._check_norm(task.threat)
        counted = Counted(task.model)  # in evaluation mode, which torchattacks would not restore
        try:
            attack = self._cls()(counted, **{**self._given(task), **dict(self.options)})
            attack.set_device(task.x.device)
            with torch.enable_grad():
                x = attack(state.x.clone(), task.y)
        except Exception as error:  # it expects colour images, or more: whatever it raises is its own
            if ran_out(error):
                raise  # smaller batches may do
            told = first_line(error)
            raise ValueError(f"torchattacks:{self.name} failed: {type(error).__name__}: {told}") from error
        # torchattacks packs samples as it likes, so only the sums are known; every sample carries its even share.
        task.cost.forwards[task.place] += share(counted.forwards, task.place)
        task.cost.backwards[task.place] += share(counted.backwards, task.place)
        return Answer(task.threat.project(x.detach().to(task.x.dtype), task.x), None)

    def _given(self, task: Task) -> dict[str, object]:
        """What the class takes of the things that the task fixes."""
        accepted = inspect.signature(self._cls()).parameters
        radius = [key for key in RADIUS if key in accepted]
        seed = int(task.rng.key[0]) % 2**31  # another one for every restart
        norm = NORM_WORD.get(task.threat.norm)
        values = {**dict.fromkeys(radius, float(task.threat.eps)), "norm": norm, "seed": seed}
        if "n_classes" in accepted:
            with torch.no_grad():
                values["n_classes"] = task.model(task.x[:1]).shape[1]
        if {"eps", "alpha"} <= accepted.keys():  # their default step is for their default eps, and may not cross ours
            values["alpha"] = accepted["alpha"].default * float(task.threat.eps) / accepted["eps"].default
        return {key: value for key, value in values.items() if key in accepted}

    def _check_norm(self, threat: LpThreat) -> None:
        """A class with an eps and no norm works in the one that its name tells."""
        accepted = inspect.signature(self._cls()).parameters
        own = "l2" if self.name.upper().endswith("L2") else "linf"
        able = [*NORM_WORD] if "norm" in accepted else [own]
        if threat.norm not in able and not accepted.keys().isdisjoint(RADIUS):
            told = f"torchattacks:{self.name} is an attack for {' and '.join(able)}, the threat is {threat}"
            raise ValueError(f"{told}; use apgd, which is for every norm")

    def _cls(self) -> type[Any]:
        library = _library()
        known = [name for name, thing in vars(library).items() if inspect.isclass(thing)]
        if self.name not in known:
            raise LookupError(f"torchattacks has no attack {suggest(self.name, known)}")
        found: type[Any] = getattr(library, self.name)
        return found


def share(total: int, place: Tensor) -> Tensor:
    """Whole numbers, one for each of `place`, that differ by at most 1 and sum to `total`."""
    n = len(place)
    return torch.arange(total, total + n, device=place.device) // n


def _library() -> ModuleType:
    try:
        import torchattacks
    except ModuleNotFoundError:
        raise LookupError("torchattacks is not installed; pip install 'pytest-robust[torchattacks]'") from None
    found: ModuleType = torchattacks
    return found
