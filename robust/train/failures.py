"""Detection of the ways in which adversarial training fails."""

from collections.abc import Sequence

from torch import nn

from robust.train import gradients
from robust.train.validate import Epoch

# Catastrophic overfitting: the robust accuracy fell to at most this share of the best, and by at least this much, while
# the accuracy against one step is this much higher. A training that fails in another way loses both accuracies.
MAX_SHARE_OF_BEST, MIN_LOSS, MIN_GAP = 0.5, 0.1, 0.2

MAX_OVERFITTING = 0.05  # the loss of robust accuracy from the best epoch to the last that is not worth a note


class DivergedError(ValueError):
    """A training whose loss or weights are no longer numbers."""


class AbandonedError(Exception):
    """A training that its caller gives up after an epoch: what was saved of it is removed."""


def describe_collapse(epoch: Epoch, earlier: Sequence[Epoch]) -> str | None:
    """Return a line on catastrophic overfitting, or None: accuracy against one step stays, against many it is lost.

    Wong, Rice and Kolter 2020 (2001.03994) and Andriushchenko and Flammarion 2020 (2007.02617) describe it.
    """
    best = max((other.robust for other in earlier if other.robust is not None), default=0.0)
    if epoch.robust is None or epoch.one_step is None:
        return None
    if epoch.robust > min(MAX_SHARE_OF_BEST * best, best - MIN_LOSS) or epoch.one_step - epoch.robust < MIN_GAP:
        return None
    return (
        f"catastrophic overfitting in epoch {epoch.number}: {epoch.one_step:.1%} of the samples are robust to "
        f"one step and {epoch.robust:.1%} to PGD, where the best epoch had {best:.1%}; training stopped and went back "
        "to that epoch; take n-fgsm, gradalign or pgd-at"
    )


def describe_overfitting(best: Epoch, last: Epoch) -> str | None:
    """Return a line if the last epoch is clearly less robust than the best, or None.

    Rice, Wong and Kolter 2020 (2002.11569) describe it.
    """
    if best.robust is None or last.robust is None or best.robust - last.robust <= MAX_OVERFITTING:
        return None
    return f"robust overfitting: {best.robust:.1%} in epoch {best.number}, the best, {last.robust:.1%} in the last"


def describe_divergence(module: nn.Module, loss: float, lr: float, epoch: int, step: int) -> str:
    """Return one line on a training that diverged: what happened, where, and what to do."""
    faulty = [name for name, p in module.named_parameters() if not bool(p.isfinite().all())]
    where = f"weights that are not finite, first {faulty[0]}" if faulty else "all weights still finite"
    return (
        f"training diverged: the loss became {loss} in epoch {epoch}, step {step}, at a learning rate of {lr:.3g}, "
        f"{where}; try a smaller lr, or clip=1"
    )


def describe_new_faults(epoch: Epoch, earlier: Sequence[Epoch]) -> list[str]:
    """Return a line for each fault of the epoch's gradients that no earlier epoch had."""
    old = {line.partition(" in ")[0] for other in earlier for line in gradients.describe_lengths(other.gradients)}
    lines = [line for line in gradients.describe_lengths(epoch.gradients) if line.partition(" in ")[0] not in old]
    return [f"epoch {epoch.number}: {line}" for line in lines]
