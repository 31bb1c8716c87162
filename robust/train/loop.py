"""The only training loop."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from robust.attacks.engine import eval_mode
from robust.attacks.rng import seeded
from robust.attacks.task import Task
from robust.attacks.threats.threat import Part
from robust.data.dataset import Samples
from robust.distributed.ranks import Ranks
from robust.models.rescaled import fit_scale
from robust.train.batches import count_batches, iter_batches
from robust.train.craft import craft_mode
from robust.train.distributed import average_over_ranks, begin_on_ranks, separate_randomness
from robust.train.epoch_end import describe_divergence_at, finish_epoch
from robust.train.factory import Method
from robust.train.failures import DivergedError, describe_overfitting
from robust.train.optim import build_criterion, l1_penalty
from robust.train.plan import Plan
from robust.train.prepare import prepare
from robust.train.recipe import Around, Scheduled, StatefulRecipe
from robust.train.setup import DEFAULT_OPTIONS, FitOptions, TrainingSetup
from robust.train.split import split_off_validation
from robust.train.start import describe_start
from robust.train.training import Training
from robust.train.validate import Epoch

SAVE_EVERY = 120.0  # seconds; the state is also saved after every epoch


@dataclass(frozen=True, slots=True)
class Fit:
    """The best epoch's weights, and the course of the training."""

    weights: dict[str, Tensor]
    best: Epoch
    curve: tuple[Epoch, ...]
    notes: tuple[str, ...]  # what went wrong on the way
    seconds: float


def fit(
    module: nn.Module,
    method: Method,
    samples: Samples,
    threat: Part,
    *,
    seed: int = 0,
    options: FitOptions = DEFAULT_OPTIONS,
) -> Fit:
    """Train `module`, in place, on a training split. The same seed gives the same weights on the same machine.

    If the file `options.saved` exists, the training goes on from it, to the same weights. The file is written after
    every epoch and every few minutes. Each of several ranks learns from its share of every batch, and all come to the
    same weights.
    ValueError, in one line, if the loss is no longer a number.
    """
    learn, validation = split_off_validation(samples, seed)
    device, plan, ranks = next(module.parameters()).device, method.plan, options.ranks
    with seeded(seed, [device]):
        if learn.y.dtype.kind == "f":
            fit_scale(module, learn.y)
        prepare(module, plan)
        module = begin_on_ranks(module, plan, len(learn), ranks)
        loss = build_criterion(plan, learn, _count_classes(module, learn), device, ranks)
        setup = TrainingSetup(method, threat, learn, validation, seed, loss, ranks)
        training = Training.start(module, method, plan.epochs * count_batches(learn, plan) * _replays(method), ranks)
        if options.saved is not None:
            training.load(options.saved)
        for epoch in training.curve:
            options.on_kept(epoch)
        if training.step:
            options.on_resume(training.epoch)
        elif plan.pretrained:
            options.on_start(ranks.once(lambda: describe_start(training.module, validation)))
        while training.epoch <= plan.epochs and not training.over:
            _run_epoch(training, setup, options)
            finish_epoch(training, setup)
            if options.saved is not None:
                training.save(options.saved)
            options.on_epoch(training.curve[-1])
    return _build_fit(training)


def _replays(method: Method) -> int:
    """Return how often each batch is learnt from: more than once by the recipe `free`."""
    replays: int = getattr(method.recipe, "replays", 1)
    return replays


def _run_epoch(training: Training, setup: TrainingSetup, options: FitOptions) -> None:
    """Run the rest of the current epoch."""
    n_batches, replays = count_batches(setup.learn, setup.method.plan), _replays(setup.method)
    saved_at, device = time.monotonic(), next(training.module.parameters()).device
    for task in iter_batches(training.module, setup, training.epoch, skip=training.batch):
        for _ in range(replays):
            training.losses.append(_run_step(training, setup, task, device))
        training.batch += 1
        options.on_batch(training.epoch - 1 + training.batch / n_batches)
        if options.saved is not None and training.ranks.all(time.monotonic() - saved_at >= SAVE_EVERY)[0]:
            training.save(options.saved)
            saved_at = time.monotonic()


def _run_step(training: Training, setup: TrainingSetup, task: Task, device: torch.device) -> float:
    """Take one step of the optimiser on a batch; return the batch's loss."""
    _set_train_mode(training.module)
    if isinstance(training.recipe_run, Scheduled):
        training.recipe_run.reach(training.step / training.steps)
    x, value = _backward(training, setup, task, device)
    training.lengths.add()
    if isinstance(training.recipe_run, StatefulRecipe):
        training.recipe_run.learn(task, x)
    if setup.method.plan.clip:
        nn.utils.clip_grad_norm_(training.module.parameters(), setup.method.plan.clip)
    training.optimiser.step()
    training.rate = training.schedule.get_last_lr()[0]
    training.schedule.step()
    if training.average:
        training.average.update(training.module, training.step)
    training.step += 1
    return value


def _backward(training: Training, setup: TrainingSetup, task: Task, device: torch.device) -> tuple[Tensor, float]:
    """Compute the gradients of a batch's loss in the weights; return (the inputs learnt from, the loss)."""
    module, plan, recipe_run, n = training.module, setup.method.plan, training.recipe_run, len(task.y)
    with separate_randomness(training, setup.seed), ExitStack() as stack:
        with _precision(plan, device):
            with craft_mode(module, plan.craft):
                x = recipe_run.inputs(task)
            objective = partial(_add_penalty, module, plan, lambda: recipe_run.loss(task, x, setup.criterion))
            for wrapper in setup.method.wrappers:
                if isinstance(wrapper, Around):
                    gradients = partial(_gradients, objective, training.ranks, n)
                    stack.enter_context(wrapper.around(module, gradients, training.epoch))
            loss = objective()
        training.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        value = average_over_ranks(training, loss, n)
        if not math.isfinite(value):
            raise DivergedError(describe_divergence_at(training, value))
    return x, value


def _gradients(
    objective: Callable[[], Tensor], ranks: Ranks, n: int, parameters: Sequence[Tensor]
) -> list[Tensor | None]:
    """Return the objective's gradients in the parameters, averaged over the ranks; None where there is none."""
    grads: list[Tensor | None] = [*torch.autograd.grad(objective(), parameters, allow_unused=True)]
    ranks.mean([grad for grad in grads if grad is not None], n)
    return grads


def _precision(plan: Plan, device: torch.device) -> torch.autocast:
    """Return the plan's autocast, without its cache, which would hide that a wrapper moved the weights."""
    return torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bfloat16", cache_enabled=False)


def _add_penalty(module: nn.Module, plan: Plan, loss: Callable[[], Tensor]) -> Tensor:
    return loss() + l1_penalty(module, plan) if plan.l1 else loss()


def _set_train_mode(module: nn.Module) -> None:
    """Set training mode, except for batch norm with frozen weights: its statistics are frozen with them."""
    module.train()
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and layer.weight is not None and not layer.weight.requires_grad:
            layer.eval()


def _count_classes(module: nn.Module, learn: Samples) -> int:
    device = next(module.parameters()).device
    with eval_mode(module), torch.no_grad():
        return int(module(torch.from_numpy(learn.x[:2]).to(device)).shape[1])


def _build_fit(training: Training) -> Fit:
    assert training.best is not None
    best, curve = training.curve[training.best], tuple(training.curve)
    overfitting = describe_overfitting(best, curve[-1])
    notes = (*training.notes, *([overfitting] if overfitting and not training.over else []))
    return Fit(training.weights, best, curve, notes, training.seconds + time.monotonic() - training.since)
