"""The ways in which adversarial training fails, recognised."""

from collections.abc import Sequence

from torch import nn

from robust.train import gradients
from robust.train.validate import Epoch

# Catastrophic overfitting: of the best robust accuracy less than this share is left, and so many of the samples were
# lost, while so many more stand against one step. A training that fails in another way loses both.
LEFT, LOST, APART = 0.5, 0.1, 0.2

OVERFITTED = 0.05  # of the validation samples: robust accuracy that was lost from the best epoch to the last


class DivergedError(ValueError):
    """A training whose loss or weights are no longer numbers."""


def describe_collapse(epoch: Epoch, before: Sequence[Epoch]) -> str | None:
    """A line where one-step accuracy stays and that of many steps is gone; None where it is not so.

    Wong, Rice and Kolter 2020 (2001.03994) and Andriushchenko and Flammarion 2020 (2007.02617) describe it.
    """
    best = max((one.robust for one in before if one.robust is not None), default=0.0)
    if epoch.robust is None or epoch.one_step is None:
        return None
    if epoch.robust > min(LEFT * best, best - LOST) or epoch.one_step - epoch.robust < APART:
        return None
    return (
        f"catastrophic overfitting in epoch {epoch.number}: {epoch.one_step:.1%} stand against one step and "
        f"{epoch.robust:.1%} against PGD, where {best:.1%} did; training stopped, and went back to the best epoch "
        "before; take n-fgsm, gradalign or pgd-at"
    )


def describe_overfitting(best: Epoch, last: Epoch) -> str | None:
    """A line where the last epoch is clearly less robust than the best: Rice, Wong and Kolter 2020 (2002.11569)."""
    if best.robust is None or last.robust is None or best.robust - last.robust <= OVERFITTED:
        return None
    return f"robust overfitting: {best.robust:.1%} in epoch {best.number}, the best, {last.robust:.1%} in the last"


def describe_divergence(module: nn.Module, loss: float, lr: float, epoch: int, step: int) -> str:
    """One line: what happened, where, and what to do."""
    faulty = [name for name, p in module.named_parameters() if not bool(p.isfinite().all())]
    where = f"weights that are not finite, first {faulty[0]}" if faulty else "all weights still finite"
    return (
        f"training diverged: the loss became {loss} in epoch {epoch}, step {step}, at a learning rate of {lr:.3g}, "
        f"{where}; try a smaller lr, or clip=1"
    )


def describe_new_faults(epoch: Epoch, before: Sequence[Epoch]) -> list[str]:
    """What is new in the gradients of an epoch."""
    known = {line.partition(" in ")[0] for one in before for line in gradients.describe_lengths(one.gradients)}
    lines = [line for line in gradients.describe_lengths(epoch.gradients) if line.partition(" in ")[0] not in known]
    return [f"epoch {epoch.number}: {line}" for line in lines]
