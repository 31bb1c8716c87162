"""A training under way: all that changes from step to step, so that what is saved can go on to the same weights."""

import copy
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from robust.attacks.task import Task
from robust.attacks.threats.lp import LpThreat
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE, Ranks
from robust.records.files import write
from robust.train.average import Average
from robust.train.batches import iter_batches
from robust.train.factory import Method
from robust.train.gradients import Lengths
from robust.train.optim import build_optimiser, build_schedule
from robust.train.recipe import Averaging, LossFunction, RecipeRun, StatefulRecipe, start_recipe
from robust.train.validate import Epoch


@dataclass
class Training:
    """A module and what trains it, between two steps."""

    module: nn.Module
    optimiser: Optimizer
    schedule: Any
    course: RecipeRun
    average: Average | None
    lengths: Lengths
    ranks: Ranks = ALONE
    epoch: int = 1  # under way
    batch: int = 0  # how many of it are done
    step: int = 0  # how many are done in all
    rate: float = 0.0  # the learning rate of the last one
    losses: list[float] = field(default_factory=list)  # of the epoch
    curve: list[Epoch] = field(default_factory=list)
    best: int | None = None  # its place in the curve
    weights: dict[str, Tensor] = field(default_factory=dict)  # of the best epoch
    notes: list[str] = field(default_factory=list)
    over: bool = False
    seconds: float = 0.0  # until `since`
    since: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(cls, module: nn.Module, method: Method, steps: int, ranks: Ranks = ALONE) -> "Training":
        """Before the first of `steps` steps."""
        down = build_optimiser(module, method.plan)
        averages = [wrapper.begin(module, steps) for wrapper in method.wrappers if isinstance(wrapper, Averaging)]
        return cls(
            module,
            down,
            build_schedule(down, method.plan, steps),
            start_recipe(method.recipe, module),
            averages[0] if averages else None,
            Lengths(module),
            ranks,
        )

    @property
    def kept(self) -> nn.Module:
        """What is validated and kept."""
        return self.average.kept(self.module) if self.average else self.module

    def keep(self) -> None:
        """Make the epoch that came last the best."""
        self.best, self.weights = len(self.curve) - 1, copy.deepcopy(self.kept.state_dict())

    def save(self, path: Path) -> None:
        """Write all of it, whole or not at all; by the first rank, and as one process would write it."""
        now = time.monotonic()
        self.seconds, self.since = self.seconds + now - self.since, now
        file = io.BytesIO()
        torch.save(self._state(), file)
        self.ranks.once(lambda: write(path, file.getvalue()))

    def load(self, path: Path) -> None:
        """Go on from there, if the first rank has it."""
        content = self.ranks.once(lambda: path.read_bytes() if path.exists() else b"")
        if not content:
            return
        state = torch.load(io.BytesIO(content), map_location=self._device, weights_only=True)
        self.module.load_state_dict(state["module"])
        with torch.no_grad():
            for name, buffer in self.module.named_buffers():
                buffer.copy_(state["buffers"][name])
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        if isinstance(self.course, StatefulRecipe):
            self.course.load_state_dict(_each(lambda tensor: tensor[self.ranks.share], state["course"]))
        for name, value in state["plain"].items():
            setattr(self, name, value)
        self.curve = [Epoch(**epoch) for epoch in state["curve"]]
        self.lengths.total, self.lengths.steps = state["lengths"]
        self.since = time.monotonic()
        torch.set_rng_state(state["rng"].cpu())
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(state["rng_cuda"].cpu(), self._device)

    def _state(self) -> dict[str, Any]:
        plain = ("epoch", "batch", "step", "rate", "losses", "best", "weights", "notes", "over", "seconds")
        cuda = torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None
        return {
            "module": self.module.state_dict(),
            "buffers": dict(self.module.named_buffers()),  # also those that a state dict leaves out
            **{name: part.state_dict() for name, part in self._parts().items()},
            "course": _each(self._whole, self.course.state_dict()) if isinstance(self.course, StatefulRecipe) else None,
            "plain": {name: getattr(self, name) for name in plain},
            "curve": [asdict(epoch) for epoch in self.curve],
            "lengths": (self.lengths.total, self.lengths.steps),
            "rng": torch.get_rng_state(),
            "rng_cuda": cuda,
        }

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"optimiser": self.optimiser, "schedule": self.schedule}
        return parts | ({"average": self.average} if self.average else {})

    def _whole(self, tensor: Tensor) -> Tensor:
        """From the places of this rank's share of a batch to all places."""
        return torch.from_numpy(self.ranks.whole(tensor.cpu().numpy()))

    @property
    def _device(self) -> torch.device:
        return next(self.module.parameters()).device


def _each(change: Callable[[Tensor], Tensor], state: dict[str, Any]) -> dict[str, Any]:
    """The state with its tensors changed."""
    return {key: change(value) if isinstance(value, Tensor) else value for key, value in state.items()}


@dataclass(frozen=True, slots=True)
class TrainingSetup:
    """The method, and what it is given."""

    method: Method
    threat: LpThreat
    learn: Samples
    validation: Samples
    seed: int
    criterion: LossFunction
    ranks: Ranks = ALONE  # of which each learns from its share of a batch

    def batches(self, module: nn.Module, epoch: int, skip: int = 0) -> Iterator[Task]:
        """Those of an epoch, from number `skip` on, for the module."""
        plan, threat = self.method.plan, self.threat
        return iter_batches(module, self.learn, threat, plan, seed=self.seed, epoch=epoch, skip=skip, ranks=self.ranks)
