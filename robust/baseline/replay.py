"""Replay: the inputs that a baseline keeps, shown to the model of today. One forward pass instead of an attack.

A record's own inputs are those of adversarial samples, and lie just beyond the old model's boundary: they say little of
another model. So a baseline keeps the hardest input of every sample, too. If a sample was robust the old model resists
its hardest input, or that is not kept: it would count against today's model alone, and a change that changes nothing
would look worse.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import eval_mode, run_steps, start
from robust.attacks.rng import Rng
from robust.attacks.task import NoGradientError
from robust.attacks.threats.corruption import CorruptionThreat
from robust.attacks.threats.threat import Threat
from robust.attacks.threats.transform import transforms
from robust.attacks.zoo.pgd import PGD
from robust.baseline.store import Saved
from robust.data.dataset import Samples
from robust.data.spool import Spool, pick_rows
from robust.evaluation.attack_run import candidates_of
from robust.evaluation.batching import Batcher
from robust.evaluation.universal import is_learnt
from robust.flags import Flags
from robust.verification.check import check_labels, verify

HARDEST = PGD(steps=20, stride=0.5, loss="margin", last=0.02)
FIRST = 0.1  # the share of the robust samples that are attacked before the others


def find_hardest(
    module: nn.Module, samples: Samples, robust: Flags, threat: Threat, seed: int, batcher: Batcher
) -> Saved | None:
    """Find the hardest input of each sample, under the first part of the threat model.

    For a sample in the mask `robust`, (n,), it is kept only if the model resists it, and not so nearly that rounding
    decides. Returns None for a model without gradients, and under a threat model that transforms or corrupts.
    """
    spool, criterion = Spool(samples.x.shape[1:]), read_criterion(samples.criterion)

    def note(x: Tensor, y: Tensor, index: Tensor) -> None:
        with eval_mode(module, seed):
            task = start(module, x, y, threat.parts[0], Rng.of(seed, index), criterion)
            spool.add(run_steps(HARDEST, task).cpu().numpy())

    if transforms(threat) or is_learnt(threat):  # what is kept has no theta to be verified by, and is no one patch
        return None
    if isinstance(threat.parts[0], CorruptionThreat):  # of finitely many inputs, all of which the attack shows again
        return None
    try:
        batcher.each(note, samples)
    except NoGradientError:
        return None
    x_adv = spool.array()
    resisted, near = check_labels(module, x_adv, samples.y, batcher.size, samples.criterion)
    rows = np.flatnonzero(~robust | (resisted & ~near))
    return pick_rows(x_adv, rows), rows


class Replay(NamedTuple):
    """The outcome of the kept inputs on a model."""

    adversarial: Flags  # (n,): adversarial by one of them
    margin: NDArray[np.float32]  # (n,): the largest by which the label is missed, at them and at the sample itself

    def first(self, before: Flags, now: Flags) -> NDArray[np.int64]:
        """Return the rows of the samples whose attack says most: those that may be won, and those nearest to a loss.

        `before` and `now` are (n,): the robust samples before, and those that are not yet adversarial now.
        """
        both = np.flatnonzero(before & now)
        nearest = both[np.argsort(-self.margin[both], kind="stable")][: math.ceil(FIRST * len(both))]
        return np.sort(np.concatenate([np.flatnonzero(now & ~before), nearest]))


def replay_inputs(
    module: nn.Module, samples: Samples, saved: Iterable[Saved], threat: Threat, batcher: Batcher
) -> Replay:
    """Show the inputs to the model; each that fools it is verified, as a row's own are.

    Raises ValueError if they are not of these samples.
    """
    adversarial, largest = np.zeros(len(samples), bool), _margins(module, samples, batcher)
    for x_adv, row in saved:
        fits = len(x_adv) == len(row) and x_adv.shape[1:] == samples.x.shape[1:]
        if not fits or (len(row) and not 0 <= row.min() <= row.max() < len(samples)):
            raise ValueError("the inputs that the baseline keeps are not of these samples")
        chosen = samples.take(row)
        verification = verify(module, candidates_of(chosen, x_adv, threat, batcher.size))
        adversarial[row[verification.fault == 0]] = True
        largest[row] = np.maximum(largest[row], _margins(module, replace(chosen, x=x_adv), batcher))
    return Replay(adversarial, largest)


def _margins(module: nn.Module, samples: Samples, batcher: Batcher) -> NDArray[np.float32]:
    criterion = read_criterion(samples.criterion)

    def measure(x: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor]:
        with eval_mode(module), torch.no_grad():
            return (criterion.margin(module(x), y),)

    (margins,) = batcher.columns(measure, samples, np.float32)
    return margins
