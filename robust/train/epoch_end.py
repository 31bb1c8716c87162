"""The end of an epoch: what it came to, what is kept, and whether to go on."""

from itertools import islice

import numpy as np
from torch.optim.swa_utils import update_bn

from robust.attacks.rng import seeded
from robust.train.craft import craft_mode
from robust.train.distributed import running_statistics
from robust.train.failures import DivergedError, describe_collapse, describe_divergence, describe_new_faults
from robust.train.training import Training, TrainingSetup
from robust.train.validate import Epoch, validate

RESTATED = 30  # batches from which batch norm's statistics are estimated for an average


def finish_epoch(training: Training, lesson: TrainingSetup) -> None:
    """Look at the epoch that has come to its end, and decide what is kept and whether to go on."""
    loss, selects, patience = float(np.mean(training.losses)), lesson.method.recipe.selects, lesson.method.plan.patience
    if not all(bool(p.isfinite().all()) for p in training.module.parameters()):
        raise DivergedError(describe_divergence_at(training, training.losses[-1]))
    if training.average and training.average.restate:
        _restate(training, lesson)
    seen = validate(training.kept, selects, lesson.validation, lesson.threat, lesson.seed, lesson.ranks)
    lengths = training.lengths.means()
    epoch = Epoch(training.epoch, loss, training.rate, seen.clean, seen.robust, seen.one_step, seen.by_class, lengths)
    before = [*training.curve]
    training.curve.append(epoch)
    training.notes += describe_new_faults(epoch, before)
    best = None if training.best is None else training.curve[training.best]
    if fall := describe_collapse(epoch, before):
        training.notes.append(fall)
        training.over = True
    elif best is None or epoch.score(selects) >= best.score(selects):  # of equals the later: it has learnt longer
        training.keep()
    elif patience and epoch.number - best.number >= patience:
        training.notes.append(f"stopped early: no epoch after {best.number} was better, for {patience} epochs")
        training.over = True
    training.epoch, training.batch, training.losses = training.epoch + 1, 0, []
    training.lengths.clear()


def _restate(training: Training, lesson: TrainingSetup) -> None:
    """Estimate batch norm's statistics of the average, from inputs such as it was trained on."""
    mean, device = training.kept, next(training.module.parameters()).device
    if mean is training.module:
        return
    shown = []
    with seeded(lesson.seed, [device]):
        for task in islice(lesson.batches(mean, training.epoch), RESTATED):
            with craft_mode(mean, lesson.method.plan.craft):
                shown.append(training.course.inputs(task).detach())
        update_bn(shown, mean)
    lesson.ranks.mean(running_statistics(mean), 1)


def describe_divergence_at(training: Training, loss: float) -> str:
    """The line about it."""
    rate = training.schedule.get_last_lr()[0]
    return describe_divergence(training.module, loss, rate, training.epoch, training.batch + 1)
