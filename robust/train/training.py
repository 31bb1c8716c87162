"""A training under way: all that changes from step to step, so that a saved training goes on to the same weights."""

import copy
import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from robust.attacks.files import read_content
from robust.distributed.ranks import ALONE, Ranks
from robust.records.files import write
from robust.train.average import Average
from robust.train.factory import Method
from robust.train.gradients import Lengths
from robust.train.optim import build_optimiser, build_schedule
from robust.train.recipe import Averaging, RecipeRun, StatefulRecipe, start_recipe
from robust.train.validate import Epoch


@dataclass
class Training:
    """A module and what trains it, between two steps."""

    module: nn.Module
    optimiser: Optimizer
    schedule: Any
    recipe_run: RecipeRun
    average: Average | None
    lengths: Lengths
    ranks: Ranks = ALONE
    epoch: int = 1  # the number of the current epoch
    batch: int = 0  # batches of the current epoch that are done
    step: int = 0  # steps that are done in all
    steps: int = 1  # of the whole training
    rate: float = 0.0  # the learning rate of the last step
    losses: list[float] = field(default_factory=list)  # of the current epoch
    curve: list[Epoch] = field(default_factory=list)
    best: int | None = None  # the best epoch's place in the curve
    weights: dict[str, Tensor] = field(default_factory=dict)  # of the best epoch
    notes: list[str] = field(default_factory=list)
    over: bool = False
    seconds: float = 0.0  # until `since`
    since: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, module: nn.Module, method: Method, steps: int, ranks: Ranks = ALONE) -> "Training":
        """Return the training before the first of its `steps` steps."""
        optimiser = build_optimiser(module, method.plan)
        averages = [wrapper.begin(module, steps) for wrapper in method.wrappers if isinstance(wrapper, Averaging)]
        return cls(
            module,
            optimiser,
            build_schedule(optimiser, method.plan, steps),
            start_recipe(method.recipe, module),
            averages[0] if averages else None,
            Lengths(module),
            ranks,
            steps=steps,
        )

    @property
    def kept_module(self) -> nn.Module:
        """Return the module that is validated and whose weights are kept: the average, if there is one."""
        return self.average.select(self.module) if self.average else self.module

    def keep(self) -> None:
        """Make the last epoch of the curve the best."""
        self.best, self.weights = len(self.curve) - 1, copy.deepcopy(self.kept_module.state_dict())

    def save(self, path: Path) -> None:
        """Write the whole state atomically; the first rank writes it, in the form that a single process would write."""
        now = time.monotonic()
        self.seconds, self.since = self.seconds + now - self.since, now
        file = io.BytesIO()
        torch.save(self._state(), file)
        self.ranks.once(lambda: write(path, file.getvalue()))

    def load(self, path: Path) -> None:
        """Go on from the saved state, if the first rank has the file."""
        content = self.ranks.once(lambda: read_content(path) if path.exists() else b"")
        if not content:
            return
        try:
            state = torch.load(io.BytesIO(content), map_location=self._device, weights_only=True)
        except Exception:  # a damaged file raises anything
            self.notes.append("what an earlier training had saved is damaged, so it began anew")
            return
        self.module.load_state_dict(state["module"])
        with torch.no_grad():
            for name, buffer in self.module.named_buffers():
                buffer.copy_(state["buffers"][name])
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        if isinstance(self.recipe_run, StatefulRecipe):
            share = self.ranks.share
            self.recipe_run.load_state_dict(_map_tensors(lambda tensor: tensor[share], state["recipe_run"]))
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
        run = self.recipe_run
        return {
            "module": self.module.state_dict(),
            "buffers": dict(self.module.named_buffers()),  # also those that a state dict leaves out
            **{name: part.state_dict() for name, part in self._parts().items()},
            "recipe_run": _map_tensors(self._gather, run.state_dict()) if isinstance(run, StatefulRecipe) else None,
            "plain": {name: getattr(self, name) for name in plain},
            "curve": [asdict(epoch) for epoch in self.curve],
            "lengths": (self.lengths.total, self.lengths.steps),
            "rng": torch.get_rng_state(),
            "rng_cuda": cuda,
        }

    def _parts(self) -> dict[str, Any]:
        """Return the parts that have a state dict, by name."""
        parts: dict[str, Any] = {"optimiser": self.optimiser, "schedule": self.schedule}
        return parts | ({"average": self.average} if self.average else {})

    def _gather(self, tensor: Tensor) -> Tensor:
        """Join the ranks' shares of a tensor that leads with the places of a batch."""
        return torch.from_numpy(self.ranks.whole(tensor.cpu().numpy()))

    @property
    def _device(self) -> torch.device:
        return next(self.module.parameters()).device


def _map_tensors(change: Callable[[Tensor], Tensor], state: dict[str, Any]) -> dict[str, Any]:
    """Return the state with its tensors changed."""
    return {key: change(value) if isinstance(value, Tensor) else value for key, value in state.items()}
