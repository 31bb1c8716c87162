"""The answers to each corruption of each sample: what a mean over corruptions, and a column for each, are made of.

An attack ends at the first corruption that fools the model, and leaves out samples that are answered wrong without any;
a mean over corruptions is, as published ones are, of all samples and all corruptions.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from robust.attacks.corruptions.kinds import scheme_of
from robust.attacks.grammar.corruption import CORRUPTION, list_corruptions
from robust.attacks.threats.threat import Threat
from robust.attacks.words import families_of
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions, Scores
from robust.evaluation.measure import AttackResult
from robust.evaluation.time_limit import TIME
from robust.verification.check import check_labels
from robust.verification.corruptions import show_corrupted

WEAKER = "the published ones are of images as the model gets them, as by corruption:3:after"
AS_GIVEN = "as the data set gives them"


@dataclass(frozen=True, slots=True)
class CorruptionAnswers:
    """The answers of a model to the corruptions of n samples."""

    right: Scores  # (n, corruptions): 1 where the answer is right, 0 where it is not, NaN where the time was up
    seconds: float

    @property
    def asked(self) -> int:
        """Return the number of answers."""
        return int(np.isfinite(self.right).sum())


def has_corruptions(threat: str) -> bool:
    """Whether a threat model names corruptions."""
    return CORRUPTION in families_of([threat])


def count_corruptions(threat: Threat) -> int:
    """Count the corruptions that a threat model names; 0 if it is of another kind."""
    return len(list_corruptions(str(threat)))


def describe_parameters(threat: str, samples: Samples, transforms: Sequence[str]) -> str:
    """Return whose parameters images are corrupted with, and what was done to them before, or is done after; or ""."""
    if not has_corruptions(threat):
        return ""
    resized, height_width = samples.find_resized(threat), samples.x.shape[-2:]
    sizes = sorted(resized.sizes if resized is not None else [height_width])
    if not sizes:
        return ""
    where = f", after what the data set does to them ({'; '.join(transforms)})" * bool(transforms)
    if resized is not None:
        shrunk = f", which makes them smaller: {WEAKER}" if min(sizes[0]) > max(height_width) else ""
        where = f", before the data set's {resized.resize}{shrunk}"
    elif samples.pictures is not None and not transforms:
        where = f", {AS_GIVEN}"
    told = " to ".join(f"{height}x{width}" for height, width in dict.fromkeys((sizes[0], sizes[-1])))
    schemes = " and ".join(dict.fromkeys(scheme_of(*size) for size in sizes))
    return f"images of {told} are corrupted with the parameters of {schemes}{where}"


def name_resize(samples: Samples, threat: str) -> str:
    """Name the steps of a Dataset before which a threat model corrupts its pictures, as "Resize(32)"; "" for none."""
    resized = samples.find_resized(threat)
    return "" if resized is None else resized.resize


def add_corruptions(found: AttackResult, answers: CorruptionAnswers) -> AttackResult:
    """Return the result of an attack with the answers to each corruption, and their cost."""
    return replace(
        found,
        corrupted=answers.right,
        score_partial=found.score_partial or TIME * (answers.asked < answers.right.size),
        forwards=found.forwards + answers.asked,
        seconds=found.seconds + answers.seconds,
    )


def measure_corruptions(module: nn.Module, samples: Samples, threat: Threat, options: RunOptions) -> CorruptionAnswers:
    """Ask the model for each corruption of each sample, in the threat model's order.

    At the deadline of the options it ends with what it has; `watch` is told which share is done.
    """
    words, bounds = list_corruptions(str(threat)), (threat.lo, threat.hi)
    resized = samples.find_resized(str(threat))
    share, size = options.ranks.deal(samples), options.batcher.size
    starts = range(0, len(share), size)

    def ask() -> Scores:
        right = np.full((len(share), len(words)), np.nan, np.float32)
        for k, start in enumerate(starts):
            part = share.take(np.arange(start, min(start + size, len(share))))
            x = part.x[:]
            for column, word in enumerate(words.values()):
                if options.deadline is not None and options.deadline():
                    return right
                options.watch((k * len(words) + column) / (len(starts) * len(words)))
                corrupted = show_corrupted(str(word), bounds, x, word.which, resized)
                right[start : start + size, column], _ = check_labels(module, corrupted, part.y, size, part.criterion)
        return right

    began = time.monotonic()
    right = options.ranks.whole(options.ranks.agree(ask))
    return CorruptionAnswers(right, time.monotonic() - began)
