"""The only training loop."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import update_bn

from robust.attacks.engine import still
from robust.attacks.rng import seeded
from robust.attacks.task import Task
from robust.attacks.threat import LpThreat
from robust.data.dataset import Samples
from robust.train.batches import batches, per_epoch
from robust.train.craft import crafting
from robust.train.guard import DivergedError, collapsed, diverged, faults, overfitted
from robust.train.objective import criterion, penalty
from robust.train.prepare import prepare
from robust.train.recipe import Around, Criterion, Learner
from robust.train.split import split_off_validation
from robust.train.training import Training
from robust.train.validate import Epoch, validate
from robust.train.word import Method

SAVE_EVERY = 120.0  # seconds; and after every epoch
RESTATED = 30  # batches from which batch norm's statistics are estimated for an average


@dataclass(frozen=True, slots=True)
class Fit:
    """The best epoch's weights, and how it came to them."""

    weights: dict[str, Tensor]
    best: Epoch
    curve: tuple[Epoch, ...]
    notes: tuple[str, ...]  # what went wrong on the way
    seconds: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """What does not change while a module is trained."""

    method: Method
    threat: LpThreat
    learn: Samples
    validation: Samples
    seed: int
    criterion: Criterion


def fit(
    module: nn.Module,
    method: Method,
    samples: Samples,
    threat: LpThreat,
    *,
    seed: int = 0,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    saved: Path | None = None,
) -> Fit:
    """Train `module`, in place, on a training split. The same seed gives the same weights on the same machine.

    Where the file `saved` is there it goes on from it, to the same weights; it is written after every epoch and every
    few minutes. ValueError, in one line, where the loss is no longer a number.
    """
    learn, validation = split_off_validation(samples, seed)
    device, plan = next(module.parameters()).device, method.plan
    with seeded(seed, [device]):
        prepare(module, plan)
        lesson = Lesson(
            method, threat, learn, validation, seed, criterion(plan, learn, _classes(module, learn), device)
        )
        replays = getattr(method.recipe, "replays", 1)
        training = Training.begin(module, method, plan.epochs * per_epoch(learn, plan) * replays)
        if saved is not None and saved.exists():
            training.load(saved)
        while training.epoch <= plan.epochs and not training.over:
            _learn(training, lesson, replays, saved)
            _judge(training, lesson)
            if saved is not None:
                training.save(saved)
            on_epoch(training.curve[-1])
    return _fit(training)


def _learn(training: Training, lesson: Lesson, replays: int, saved: Path | None) -> None:
    """What is left of the epoch that is under way."""
    wrote, device = time.monotonic(), next(training.module.parameters()).device
    for task in _batches(training.module, training, lesson, skip=training.batch):
        for _ in range(replays):
            training.losses.append(_descend(training, lesson, task, device))
        training.batch += 1
        if saved is not None and time.monotonic() - wrote >= SAVE_EVERY:
            training.save(saved)
            wrote = time.monotonic()


def _batches(module: nn.Module, training: Training, lesson: Lesson, skip: int = 0) -> Iterator[Task]:
    plan, threat = lesson.method.plan, lesson.threat
    return batches(module, lesson.learn, threat, plan, seed=lesson.seed, epoch=training.epoch, skip=skip)


def _descend(training: Training, lesson: Lesson, task: Task, device: torch.device) -> float:
    module, plan, course = training.module, lesson.method.plan, training.course
    _teach(module)
    with ExitStack() as stack:
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bfloat16"):
            with crafting(module, plan.craft):
                x = course.inputs(task)
            objective = partial(_loss, module, lesson, lambda: course.loss(task, x, lesson.criterion))
            for wrapper in lesson.method.wrappers:
                if isinstance(wrapper, Around):
                    stack.enter_context(wrapper.around(module, objective, training.epoch))
            loss = objective()
        value = loss.item()
        if not math.isfinite(value):
            raise DivergedError(_diverged(training, value))
        training.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
    training.lengths.add()
    if isinstance(course, Learner):
        course.learn(task, x)
    if plan.clip:
        nn.utils.clip_grad_norm_(module.parameters(), plan.clip)
    training.optimiser.step()
    training.schedule.step()
    if training.average:
        training.average.update(module, training.step)
    training.step += 1
    return value


def _loss(module: nn.Module, lesson: Lesson, of: Callable[[], Tensor]) -> Tensor:
    return of() + penalty(module, lesson.method.plan) if lesson.method.plan.l1 else of()


def _teach(module: nn.Module) -> None:
    """Training mode, but for batch norm whose weights are frozen: its statistics are frozen with them."""
    module.train()
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and layer.weight is not None and not layer.weight.requires_grad:
            layer.eval()


def _judge(training: Training, lesson: Lesson) -> None:
    """Look at the epoch that has come to its end, and decide what is kept and whether to go on."""
    loss, selects, patience = float(np.mean(training.losses)), lesson.method.recipe.selects, lesson.method.plan.patience
    if not all(bool(p.isfinite().all()) for p in training.module.parameters()):
        raise DivergedError(_diverged(training, training.losses[-1]))
    if training.average and training.average.restate:
        _restate(training, lesson)
    seen = validate(training.kept, selects, lesson.validation, lesson.threat, lesson.seed)
    rate, lengths = training.schedule.get_last_lr()[0], training.lengths.means()
    epoch = Epoch(training.epoch, loss, rate, seen.clean, seen.robust, seen.one_step, seen.by_class, lengths)
    before = [*training.curve]
    training.curve.append(epoch)
    training.notes += faults(epoch, before)
    best = None if training.best is None else training.curve[training.best]
    if fall := collapsed(epoch, before):
        training.notes.append(fall)
        training.over = True
    elif best is None or epoch.score(selects) >= best.score(selects):  # of equals the later: it has learnt longer
        training.keep()
    elif patience and epoch.number - best.number >= patience:
        training.notes.append(f"stopped early: no epoch after {best.number} was better, for {patience} epochs")
        training.over = True
    training.epoch, training.batch, training.losses = training.epoch + 1, 0, []
    training.lengths.clear()


def _restate(training: Training, lesson: Lesson) -> None:
    """Estimate batch norm's statistics of the average, from inputs such as it was trained on."""
    mean, device = training.kept, next(training.module.parameters()).device
    if mean is training.module:
        return
    shown = []
    with seeded(lesson.seed, [device]):
        for task in islice(_batches(mean, training, lesson), RESTATED):
            with crafting(mean, lesson.method.plan.craft):
                shown.append(training.course.inputs(task).detach())
        update_bn(shown, mean)


def _diverged(training: Training, loss: float) -> str:
    rate = training.schedule.get_last_lr()[0]
    return diverged(training.module, loss, rate, training.epoch, training.batch + 1)


def _classes(module: nn.Module, learn: Samples) -> int:
    device = next(module.parameters()).device
    with still(module), torch.no_grad():
        return int(module(torch.from_numpy(learn.x[:2]).to(device)).shape[1])


def _fit(training: Training) -> Fit:
    assert training.best is not None
    best, curve = training.curve[training.best], tuple(training.curve)
    lost = overfitted(best, curve[-1])
    notes = (*training.notes, *([lost] if lost and not training.over else []))
    return Fit(training.weights, best, curve, notes, training.seconds + time.monotonic() - training.since)
