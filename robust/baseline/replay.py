"""Replay: the inputs that a baseline keeps, shown to the model of today. One forward pass instead of a search.

A record's own inputs are of broken samples, and lie just beyond the old model's boundary: they tell little of another
model. So a baseline keeps the hardest input of every sample, too. Where a sample stood the old model resists that, or
it is not kept: it would be held against today's model alone, and a change that changes nothing would look worse.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.criteria.classification import CLASS
from robust.attacks.engine import eval_mode, run_steps, start
from robust.attacks.task import NoGradientError
from robust.attacks.threats.threat import Threat
from robust.attacks.zoo.pgd import PGD
from robust.baseline.store import Saved
from robust.data.dataset import Samples
from robust.data.spool import Spool, pick_rows
from robust.evaluation.attack_run import candidates_of
from robust.evaluation.batching import Batcher
from robust.flags import Flags
from robust.verification.check import check_labels, verify

HARDEST = PGD(steps=20, stride=0.5, loss="margin", last=0.02)
FIRST = 0.1  # of the samples that stood, those that are attacked before the others


def hardest(
    module: nn.Module, samples: Samples, robust: Flags, threat: Threat, seed: int, feed: Batcher
) -> Saved | None:
    """The hardest input that is found of each sample, under the first part of the threat model.

    Of those in the mask `robust`, (n,), only where the model resists it, and not so nearly that rounding decides. None
    of a model without gradients.
    """
    pile = Spool(samples.x.shape[1:])

    def note(x: Tensor, y: Tensor, index: Tensor) -> None:
        with eval_mode(module, seed):
            pile.add(run_steps(HARDEST, start(module, x, y, threat.parts[0], seed, index)).cpu().numpy())

    try:
        feed.each(note, samples)
    except NoGradientError:
        return None
    x_adv = pile.array()
    resisted, near = check_labels(module, x_adv, samples.y, feed.size)
    rows = np.flatnonzero(~robust | (resisted & ~near))
    return pick_rows(x_adv, rows), rows


class Replay(NamedTuple):
    """What the inputs that were kept do to a model."""

    fell: Flags  # (n,): to one of them
    margin: NDArray[np.float32]  # (n,): by how much the label is missed at most, at them and at the sample itself

    def first(self, stood: Flags, left: Flags) -> NDArray[np.int64]:
        """The samples whose attack tells most: of those that are `left` what may be won, and what came nearest to loss.

        `stood` and `left` are (n,): before, and now as far as is known.
        """
        standing = np.flatnonzero(stood & left)
        nearest = standing[np.argsort(-self.margin[standing], kind="stable")][: math.ceil(FIRST * len(standing))]
        return np.sort(np.concatenate([np.flatnonzero(left & ~stood), nearest]))


def replayed(module: nn.Module, samples: Samples, kept: Iterable[Saved], threat: Threat, feed: Batcher) -> Replay:
    """Show the inputs to the model; each that fools it is judged anew, as a row's own are.

    ValueError where they are not of these samples.
    """
    fell, largest = np.zeros(len(samples), bool), _margins(module, samples, feed)
    for x_adv, row in kept:
        ours = len(x_adv) == len(row) and x_adv.shape[1:] == samples.x.shape[1:]
        if not ours or (len(row) and not 0 <= row.min() <= row.max() < len(samples)):
            raise ValueError("the inputs that the baseline keeps are not of these samples")
        mine = samples.take(row)
        verification = verify(module, candidates_of(mine, x_adv, threat, feed.size))
        fell[row[verification.fault == 0]] = True
        largest[row] = np.maximum(largest[row], _margins(module, replace(mine, x=x_adv), feed))
    return Replay(fell, largest)


def _margins(module: nn.Module, samples: Samples, feed: Batcher) -> NDArray[np.float32]:
    def asked(x: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor]:
        with eval_mode(module), torch.no_grad():
            return (CLASS.margin(module(x), y),)

    (found,) = feed.columns(asked, samples, np.float32)
    return found
