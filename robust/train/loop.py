"""The only training loop."""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.engine import answers, assail
from robust.attacks.registry import suggest
from robust.attacks.rng import Rng, seeded
from robust.attacks.spec import Spec, configure
from robust.attacks.task import Task
from robust.attacks.threat import LpThreat
from robust.attacks.zoo.pgd import PGD
from robust.data.dataset import Samples
from robust.feed import Feed
from robust.train.recipe import RECIPES, Recipe

# A validation split large enough to tell epochs apart, and no larger: every epoch is attacked on it.
VALIDATION_SHARE, VALIDATION_MOST = 0.15, 1000
SELECTION_ATTACK = PGD(steps=10)
VALIDATION_BATCH = 250


@dataclass(frozen=True, slots=True)
class Plan:
    """What every recipe shares: SGD with momentum, and a learning rate that rises and falls linearly once.

    The cycle is that of Wong, Rice and Kolter 2020 (2001.03994).
    """

    epochs: int = 30
    batch: int = 64
    lr: float = 0.1  # the peak
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "lr"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name):g}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be from 0 to below 1, got {self.momentum:g}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must be 0 or above, got {self.weight_decay:g}")


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to; accuracies are shares of the validation split."""

    number: int  # from 1
    loss: float
    clean: float
    robust: float | None  # under SELECTION_ATTACK; None where the recipe does not select by it


@dataclass(frozen=True, slots=True)
class Fit:
    """The best epoch's weights, and how it came to them."""

    weights: dict[str, Tensor]
    best: Epoch
    curve: tuple[Epoch, ...]
    seconds: float


def read_recipe(text: str) -> tuple[Recipe, Plan]:
    """Read "trades:beta=3:epochs=10": the recipe's own options and the plan's. LookupError or ValueError if wrong."""
    spec = Spec.parse(text)
    cls, shared = RECIPES.get(spec.name), {f.name for f in fields(Plan)}
    known = {f.name for f in fields(cls)} | shared
    for key, _ in spec.options:
        if key not in known:
            raise ValueError(f"{text}: {spec.name} has no option {suggest(key, known)}")
    own = Spec(spec.name, spec.args, tuple(pair for pair in spec.options if pair[0] not in shared))
    rest = Spec(spec.name, options=tuple(pair for pair in spec.options if pair[0] in shared))
    recipe: Recipe = configure(cls, own)
    return recipe, configure(Plan, rest)


def describe(recipe: Any, plan: Plan) -> dict[str, object]:
    """All options by name, the defaults included."""
    return {**asdict(recipe), **asdict(plan)}


def split_off_validation(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    """(to learn from, to select by): carved from the training split, never from the test split."""
    n = min(max(int(len(samples) * VALIDATION_SHARE), 1), VALIDATION_MOST)
    validation, learn = samples.draw(n, seed)
    return learn, validation


def fit(
    module: nn.Module,
    recipe: Recipe,
    plan: Plan,
    samples: Samples,
    threat: LpThreat,
    *,
    seed: int = 0,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Fit:
    """Train `module`, in place, on a training split. The same seed gives the same weights on the same machine."""
    began = time.monotonic()
    learn, validation = split_off_validation(samples, seed)
    optimiser = torch.optim.SGD(
        module.parameters(), plan.lr, momentum=plan.momentum, weight_decay=plan.weight_decay, nesterov=plan.momentum > 0
    )
    per_epoch = -(-len(learn) // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan.lr, plan.epochs * per_epoch, anneal_strategy="linear", cycle_momentum=False
    )
    curve: list[Epoch] = []
    best, weights = -1.0, copy.deepcopy(module.state_dict())
    with seeded(seed, [next(module.parameters()).device]):
        for number in range(1, plan.epochs + 1):
            losses = [
                _descend(optimiser, schedule, recipe, task)
                for task in _batches(module, learn, threat, plan, seed, number)
            ]
            curve.append(_validate(module, recipe, validation, threat, seed, number, float(np.mean(losses))))
            score = curve[-1].robust if recipe.selects == "robust" else curve[-1].clean
            if score is not None and score >= best:  # of equals the later: it has learnt longer
                best, weights, chosen = score, copy.deepcopy(module.state_dict()), curve[-1]
            on_epoch(curve[-1])
    return Fit(weights, chosen, tuple(curve), time.monotonic() - began)


def _batches(module: nn.Module, learn: Samples, threat: LpThreat, plan: Plan, seed: int, epoch: int) -> Iterator[Task]:
    device = next(module.parameters()).device
    order = torch.randperm(len(learn), generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
    x, y, index = (torch.from_numpy(array) for array in (learn.x, learn.y, learn.index))
    for rows in order.split(plan.batch):  # type: ignore[no-untyped-call]
        if len(rows) == 1 < plan.batch < len(learn):
            break  # the last: batch norm cannot learn from one sample
        rng = Rng.of(seed, index[rows].to(device)).fold(epoch)
        yield Task.of(module, x[rows].to(device), y[rows].to(device), threat, rng)


def _descend(optimiser: torch.optim.Optimizer, schedule: Any, recipe: Recipe, task: Task) -> float:
    assert isinstance(task.model, nn.Module)
    task.model.train()
    loss = recipe.loss(task)
    if not loss.isfinite():
        raise ValueError(f"training diverged: the loss became {loss.item()}; try a smaller lr")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    schedule.step()
    return loss.item()


def _validate(
    module: nn.Module, recipe: Recipe, validation: Samples, threat: LpThreat, seed: int, number: int, loss: float
) -> Epoch:
    def look(x: Tensor, y: Tensor, index: Tensor) -> tuple[int, int]:
        """How many of a batch are answered right, and how many of these the attack leaves."""
        right, _ = answers(module, x, y)
        if recipe.selects == "clean":
            return int(right.sum()), 0
        fallen = assail(module, SELECTION_ATTACK, x[right], y[right], threat, seed=seed, index=index[right]).fallen
        return int(right.sum()), int((~fallen).sum())

    counts = Feed(VALIDATION_BATCH, next(module.parameters()).device).each(look, validation)
    clean, robust = (sum(column) / len(validation) for column in zip(*counts, strict=True))
    return Epoch(number, loss, clean, robust if recipe.selects == "robust" else None)
