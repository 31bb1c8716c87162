"""A patch that serves all samples is learnt before it is measured, on samples of the training split."""

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import AnyAttack
from robust.attacks.factory import make
from robust.attacks.grammar.universal import UNIVERSAL
from robust.attacks.spec import Spec
from robust.attacks.threats.threat import Threat
from robust.attacks.zoo.universal_patch import UniversalPatch
from robust.data.dataset import Dataset, Samples
from robust.device import device_of
from robust.evaluation.attack_run import RunOptions


class Learnt(NamedTuple):
    """An attack that is ready to be run, and what that took."""

    attack: AnyAttack
    forwards: int = 0
    backwards: int = 0
    seconds: float = 0.0
    note: str = ""  # on the patch and the samples that it was learnt on


def describe_learning(attack: str | AnyAttack) -> str:
    """Return what an attack takes before it is run, in words; "" if it learns nothing."""
    learns = isinstance(attack, str) and Spec.parse(attack).name == UNIVERSAL
    made = make(attack) if isinstance(attack, str) and learns else attack
    return made.describe_cost() if isinstance(made, UniversalPatch) else ""


def learn_first(attack: AnyAttack, module: nn.Module, samples: Samples, threat: Threat, options: RunOptions) -> Learnt:
    """Return an attack that shows the patch which it learns on other samples than these; any other as it is.

    One rank learns. ValueError if there are no other samples.
    """
    if not isinstance(attack, UniversalPatch):
        return Learnt(attack)
    began, others = time.monotonic(), options.others(attack.samples, options.seed)

    def learn() -> Learnt:
        device = device_of(module)
        x, y = torch.as_tensor(others.x[:], device=device), torch.as_tensor(others.y, device=device)
        criterion, batch = read_criterion(samples.criterion), options.batcher.size
        shown = attack.learn(module, x, y, threat, seed=options.seed, criterion=criterion, batch=batch)
        source = f"{len(others)} were drawn of the training split, sha256 {others.digest[:8]}"
        told = [f"{word} {sticker.describe(x.shape[-1])}; {source}" for word, sticker in shown.stickers.items()]
        forwards = sum(sticker.forwards for sticker in shown.stickers.values())
        backwards = sum(sticker.backwards for sticker in shown.stickers.values())
        return Learnt(shown, forwards, backwards, time.monotonic() - began, "; ".join(told))

    return options.ranks.once(learn)


def draw_others(dataset: Dataset, measured: Samples, n: int, seed: int) -> Samples:
    """Draw n samples of the training split, fewer if it has fewer, without those that are measured.

    ValueError, in one line, if there is no training split, or all that was drawn is measured.
    """
    why = f"a patch for all is learnt on the training split of {dataset.name}"
    try:
        drawn = dataset.load("train", min(n, len(dataset.read("train")[1])), seed)
    except (ValueError, LookupError) as error:
        raise ValueError(f"{why}: {error.args[0]}; or leave universal=true out") from error
    known = {row.tobytes() for row in measured.x[:]}
    keep = np.array([k for k, row in enumerate(drawn.x[:]) if row.tobytes() not in known], np.int64)
    if not len(keep):
        raise ValueError(f"{why}, and all that was drawn of it is measured, too; or leave universal=true out")
    return replace(drawn.take(keep), criterion=measured.criterion)


def is_learnt(threat: Threat) -> bool:
    """Whether a part of the threat model is one patch that serves all samples."""
    return any(part.norm == UNIVERSAL for part in threat.parts)
