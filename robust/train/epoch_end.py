"""The end of an epoch: its validation, which weights are kept, and whether the training goes on."""

from dataclasses import asdict
from itertools import islice

import numpy as np
from torch.optim.swa_utils import update_bn

from robust.attacks.rng import seeded
from robust.train.batches import iter_batches
from robust.train.craft import craft_mode
from robust.train.distributed import running_statistics
from robust.train.failures import DivergedError, describe_collapse, describe_divergence, describe_new_faults
from robust.train.setup import TrainingSetup
from robust.train.training import Training
from robust.train.validate import Epoch, validate

RESTATE_BATCHES = 30  # from which batch norm's statistics are estimated for an average


def finish_epoch(training: Training, setup: TrainingSetup) -> None:
    """Validate the epoch, keep its weights if they are the best, and decide whether the training is over.

    DivergedError if the weights are not finite.
    """
    loss, selects, patience = float(np.mean(training.losses)), setup.method.recipe.selects, setup.method.plan.patience
    if not all(bool(p.isfinite().all()) for p in training.module.parameters()):
        raise DivergedError(describe_divergence_at(training, training.losses[-1]))
    if training.average and training.average.restate:
        _restate(training, setup)
    seen = validate(training.kept_module, selects, setup.validation, setup.threat, setup.seed, setup.ranks)
    lengths = training.lengths.means()
    epoch = Epoch(number=training.epoch, loss=loss, lr=training.rate, gradients=lengths, **asdict(seen))
    earlier = [*training.curve]
    training.curve.append(epoch)
    training.notes += describe_new_faults(epoch, earlier)
    best = None if training.best is None else training.curve[training.best]
    if collapse := describe_collapse(epoch, earlier):
        training.notes.append(collapse)
        training.over = True
    elif best is None or epoch.score(selects) >= best.score(selects):  # of equals the later: it has learnt longer
        training.keep()
    elif patience and epoch.number - best.number >= patience:
        training.notes.append(f"stopped early: no epoch after {best.number} was better, for {patience} epochs")
        training.over = True
    training.epoch, training.batch, training.losses = training.epoch + 1, 0, []
    training.lengths.clear()


def _restate(training: Training, setup: TrainingSetup) -> None:
    """Estimate the batch norm statistics of the average from inputs like those it was trained on."""
    mean, device = training.kept_module, next(training.module.parameters()).device
    if mean is training.module:
        return
    inputs = []
    with seeded(setup.seed, [device]):
        for task in islice(iter_batches(mean, setup, training.epoch), RESTATE_BATCHES):
            with craft_mode(mean, setup.method.plan.craft):
                inputs.append(training.recipe_run.inputs(task).detach())
        update_bn(inputs, mean)
    setup.ranks.mean(running_statistics(mean), 1)


def describe_divergence_at(training: Training, loss: float) -> str:
    """Return one line on a divergence at the current step of the training."""
    rate = training.schedule.get_last_lr()[0]
    return describe_divergence(training.module, loss, rate, training.epoch, training.batch + 1)
