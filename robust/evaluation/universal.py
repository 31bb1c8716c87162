"""A patch that serves all samples is learnt before it is measured, on samples of the training split."""

import time
from collections.abc import Sequence
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
from robust.attacks.zoo._universal import Shown
from robust.attacks.zoo.universal_patch import UniversalPatch
from robust.data.dataset import Dataset, Samples
from robust.device import device_of
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.kept_patches import KeptPatches, kept_patches

KEPT = "the patch for all samples is kept from an earlier run, and not learnt again"


class Learnt(NamedTuple):
    """An attack that is ready to be run, and what that took, now or in an earlier run."""

    attack: AnyAttack
    forwards: int = 0
    backwards: int = 0
    seconds: float = 0.0
    note: str = ""  # on the patch and the samples that it was learnt on

    @property
    def shown(self) -> Shown | None:
        """Return the attack if it shows patches that were learnt."""
        return self.attack if isinstance(self.attack, Shown) else None


def describe_learning(attack: str | AnyAttack, module: nn.Module, threat: Threat | None, options: RunOptions) -> str:
    """Return what an attack takes before it is run, in words; "" if it learns nothing.

    ValueError if there are no samples to learn on.
    """
    learns = isinstance(attack, str) and Spec.parse(attack).name == UNIVERSAL
    made = make(attack) if isinstance(attack, str) and learns else attack
    if not isinstance(made, UniversalPatch) or threat is None:
        return ""
    kept = _find(made, module, options.others(made.samples, options.seed), threat, options)
    return KEPT if kept is not None and kept.read() is not None else made.describe_cost()


def learn_first(
    attack: AnyAttack,
    module: nn.Module,
    samples: Samples,
    threat: Threat,
    options: RunOptions,
    known: Shown | None = None,
) -> Learnt:
    """Return an attack that shows the patch which it learns on other samples than these; any other as it is.

    One rank learns, unless the patch is `known`, or kept from an earlier run. ValueError if there are no other samples.
    """
    if not isinstance(attack, UniversalPatch):
        return Learnt(attack)
    if known is not None:
        return Learnt(known)
    others = options.others(attack.samples, options.seed)
    return options.ranks.once(lambda: _learn(attack, module, others, threat, options))


def _learn(attack: UniversalPatch, module: nn.Module, others: Samples, threat: Threat, options: RunOptions) -> Learnt:
    """Read the patch of an earlier run, or learn it and keep it."""
    began, kept = time.monotonic(), _find(attack, module, others, threat, options)
    if (found := kept and kept.read()) is None:
        device, criterion = device_of(module), read_criterion(others.criterion)
        x, y = torch.as_tensor(others.x[:], device=device), torch.as_tensor(others.y, device=device)
        batch, seed = options.batcher.size, options.seed
        shown = attack.learn(module, x, y, threat, seed=seed, criterion=criterion, batch=batch)
        found = shown, time.monotonic() - began
        if kept is not None:
            kept.write(*found)
    shown, seconds = found
    source = f"{len(others)} were drawn of the training split, sha256 {others.digest[:8]}"
    columns = others.x.shape[-1]
    told = [f"{word} {sticker.describe(columns)}; {source}" for word, sticker in shown.stickers.items()]
    forwards = sum(sticker.forwards for sticker in shown.stickers.values())
    backwards = sum(sticker.backwards for sticker in shown.stickers.values())
    return Learnt(shown, forwards, backwards, seconds, "; ".join(told))


def _find(
    attack: UniversalPatch, module: nn.Module, others: Samples, threat: Threat, options: RunOptions
) -> KeptPatches | None:
    """Return where the patch of an attack is kept; None if these options keep none."""
    if options.patches is None:
        return None
    return kept_patches(options.patches, attack, module, others, threat, options.seed)


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


def digest_others(attacks: Sequence[str], options: RunOptions) -> list[str]:
    """Return the digests of the samples that these attacks learn on: what they find depends on them.

    ValueError if there are no such samples.
    """
    learning = [make(attack) for attack in attacks if Spec.parse(attack).name == UNIVERSAL]
    return [options.others(made.samples, options.seed).digest for made in learning if isinstance(made, UniversalPatch)]


def is_learnt(threat: Threat) -> bool:
    """Whether a part of the threat model is one patch that serves all samples."""
    return any(part.norm == UNIVERSAL for part in threat.parts)
