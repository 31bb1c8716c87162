"""The only training loop."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from robust.attacks.engine import eval_mode
from robust.attacks.rng import seeded
from robust.attacks.task import Task
from robust.attacks.threats.lp import LpThreat
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE, Ranks
from robust.train.batches import count_batches
from robust.train.craft import craft_mode
from robust.train.distributed import average_over_ranks, begin_on_ranks, separate_randomness
from robust.train.epoch_end import describe_divergence_at, finish_epoch
from robust.train.factory import Method
from robust.train.failures import DivergedError, describe_overfitting
from robust.train.optim import build_criterion, l1_penalty
from robust.train.plan import Plan
from robust.train.prepare import prepare
from robust.train.recipe import Around, StatefulRecipe
from robust.train.split import split_off_validation
from robust.train.training import Training, TrainingSetup
from robust.train.validate import Epoch

SAVE_EVERY = 120.0  # seconds; and after every epoch


@dataclass(frozen=True, slots=True)
class Fit:
    """The best epoch's weights, and how it came to them."""

    weights: dict[str, Tensor]
    best: Epoch
    curve: tuple[Epoch, ...]
    notes: tuple[str, ...]  # what went wrong on the way
    seconds: float


def fit(
    module: nn.Module,
    method: Method,
    samples: Samples,
    threat: LpThreat,
    *,
    seed: int = 0,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_batch: Callable[[float], None] = lambda done: None,
    saved: Path | None = None,
    ranks: Ranks = ALONE,
) -> Fit:
    """Train `module`, in place, on a training split. The same seed gives the same weights on the same machine.

    Where the file `saved` is there it goes on from it, to the same weights; it is written after every epoch and every
    few minutes. `on_batch` is told how many epochs are done, 1.5 in the middle of the second. Of several ranks each
    learns from its share of every batch, and all come to the same weights.
    ValueError, in one line, where the loss is no longer a number.
    """
    learn, validation = split_off_validation(samples, seed)
    device, plan = next(module.parameters()).device, method.plan
    with seeded(seed, [device]):
        prepare(module, plan)
        module = begin_on_ranks(module, plan, len(learn), ranks)
        loss = build_criterion(plan, learn, _classes(module, learn), device, ranks)
        lesson = TrainingSetup(method, threat, learn, validation, seed, loss, ranks)
        replays = getattr(method.recipe, "replays", 1)
        training = Training.begin(module, method, plan.epochs * count_batches(learn, plan) * replays, ranks)
        if saved is not None:
            training.load(saved)
        while training.epoch <= plan.epochs and not training.over:
            _learn(training, lesson, replays, saved, on_batch)
            finish_epoch(training, lesson)
            if saved is not None:
                training.save(saved)
            on_epoch(training.curve[-1])
    return _fit(training)


def _learn(
    training: Training, lesson: TrainingSetup, replays: int, saved: Path | None, on_batch: Callable[[float], None]
) -> None:
    """What is left of the epoch that is under way."""
    batches = count_batches(lesson.learn, lesson.method.plan)
    wrote, device = time.monotonic(), next(training.module.parameters()).device
    for task in lesson.batches(training.module, training.epoch, skip=training.batch):
        for _ in range(replays):
            training.losses.append(_descend(training, lesson, task, device))
        training.batch += 1
        on_batch(training.epoch - 1 + training.batch / batches)
        if saved is not None and training.ranks.all(time.monotonic() - wrote >= SAVE_EVERY)[0]:
            training.save(saved)
            wrote = time.monotonic()


def _descend(training: Training, lesson: TrainingSetup, task: Task, device: torch.device) -> float:
    module, plan, course, n = training.module, lesson.method.plan, training.course, len(task.y)
    _teach(module)
    with separate_randomness(training, lesson.seed), ExitStack() as stack:
        with _precision(plan, device):
            with craft_mode(module, plan.craft):
                x = course.inputs(task)
            objective = partial(_loss, module, lesson, lambda: course.loss(task, x, lesson.criterion))
            for wrapper in lesson.method.wrappers:
                if isinstance(wrapper, Around):
                    gradients = partial(_gradients, objective, training.ranks, n)
                    stack.enter_context(wrapper.around(module, gradients, training.epoch))
            loss = objective()
        training.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        value = average_over_ranks(training, loss, n)
        if not math.isfinite(value):
            raise DivergedError(describe_divergence_at(training, value))
    training.lengths.add()
    if isinstance(course, StatefulRecipe):
        course.learn(task, x)
    if plan.clip:
        nn.utils.clip_grad_norm_(module.parameters(), plan.clip)
    training.optimiser.step()
    training.rate = training.schedule.get_last_lr()[0]
    training.schedule.step()
    if training.average:
        training.average.update(module, training.step)
    training.step += 1
    return value


def _gradients(objective: Callable[[], Tensor], ranks: Ranks, n: int, of: Sequence[Tensor]) -> list[Tensor | None]:
    found: list[Tensor | None] = [*torch.autograd.grad(objective(), of, allow_unused=True)]
    ranks.mean([grad for grad in found if grad is not None], n)
    return found


def _precision(plan: Plan, device: torch.device) -> torch.autocast:
    """Without autocast's cache: it would answer with the weights as they were before a wrapper moved them."""
    return torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bfloat16", cache_enabled=False)


def _loss(module: nn.Module, lesson: TrainingSetup, of: Callable[[], Tensor]) -> Tensor:
    return of() + l1_penalty(module, lesson.method.plan) if lesson.method.plan.l1 else of()


def _teach(module: nn.Module) -> None:
    """Training mode, but for batch norm whose weights are frozen: its statistics are frozen with them."""
    module.train()
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and layer.weight is not None and not layer.weight.requires_grad:
            layer.eval()


def _classes(module: nn.Module, learn: Samples) -> int:
    device = next(module.parameters()).device
    with eval_mode(module), torch.no_grad():
        return int(module(torch.from_numpy(learn.x[:2]).to(device)).shape[1])


def _fit(training: Training) -> Fit:
    assert training.best is not None
    best, curve = training.curve[training.best], tuple(training.curve)
    lost = describe_overfitting(best, curve[-1])
    notes = (*training.notes, *([lost] if lost and not training.over else []))
    return Fit(training.weights, best, curve, notes, training.seconds + time.monotonic() - training.since)
