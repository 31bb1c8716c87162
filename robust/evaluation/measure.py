"""Measure a model: its answers to clean inputs, and each attack on all that it answers right, sample by sample."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.engine import AnyAttack, Outcome, answers, assail, eval_mode
from robust.attacks.factory import describe, make, no_models
from robust.attacks.task import Model
from robust.attacks.text import first_line
from robust.attacks.threats.threat import Threat
from robust.data.dataset import Dataset, Samples
from robust.device import device_of
from robust.distributed.ranks import ALONE, Ranks
from robust.evaluation.attack_run import candidates_of, in_order, run_attack
from robust.evaluation.batching import Batcher
from robust.flags import Flags
from robust.models.load import hash_weights
from robust.records.attack_outcome import StageOutcome
from robust.verification.check import Faults
from robust.verification.rounding import on_levels, verify_rounded

BATCH = 250  # where nothing else is known
PROBED_SAMPLES = 64  # samples whose values tell whether all keep to levels


@dataclass(frozen=True, slots=True)
class CleanResult:
    """The model's answers to the samples as they are."""

    correct: Flags  # (n,)
    faulty: int  # samples answered with something not finite


@dataclass(frozen=True, slots=True)
class AttackResult:
    """What one attack, or one suite, found, started on all samples that are answered right."""

    attack: str  # as a word: "pgd:steps=40", "standard-1"
    options: dict[str, Any]  # all of them, the defaults included
    adversarial: Flags  # (n,): by an input that the driver admitted and that was then verified
    x_adv: NDArray[np.float32]  # (broken, *shape): those inputs, in the samples' order; the first rank's alone
    faulty: int  # samples on which the model answered something not finite on the way
    fault: Faults  # (n,): of the samples that fell to an input that was not verified, what is wrong with that
    forwards: int  # samples sent through the model
    backwards: int
    seconds: float
    stages: tuple[StageOutcome, ...] = ()  # of a suite
    partial: str = ""  # why it was stopped before its end
    rounded: Flags | None = None  # (n,): broken also once the input is rounded to the data's levels


def check(module: nn.Module, dataset: Dataset, samples: Samples) -> None:
    """Two samples through the model; ValueError, in one line, where nothing can be measured.

    That is where it does not take them, or does not answer with logits. What else may be wrong is for the preflight.
    """
    x = samples.x[:2]
    try:
        with eval_mode(module), torch.no_grad():
            logits = module(torch.tensor(x, device=device_of(module)))
    except Exception as error:
        told = first_line(error)
        raise ValueError(
            f"the model does not take {dataset.name}, samples of shape {list(x.shape[1:])}: {told}; "
            f"{_fault(module, x.shape[1:])}"
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (len(x), dataset.classes):
        got = f"shape {list(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"the model must answer {len(x)} samples of {dataset.name}, {dataset.classes} classes, "
            f"with logits of shape {[len(x), dataset.classes]}, got {got}"
        )
    if not logits.is_floating_point():
        raise ValueError(f"the model must answer with logits, floating-point numbers, got {logits.dtype}")


def _fault(module: nn.Module, shape: tuple[int, ...]) -> str:
    """Why a model may not take its inputs, which are float32, of this shape and on one device."""
    own = [*module.parameters(), *module.buffers()]
    devices = {str(tensor.device) for tensor in own}
    types = {str(tensor.dtype) for tensor in own if tensor.is_floating_point()} - {"torch.float32"}
    if len(devices) > 1:
        return f"parts of it are on {' and '.join(sorted(devices))}: register what it needs as buffers"
    if types:
        return f"its numbers are {' and '.join(sorted(types))}, inputs are torch.float32: call float() on it"
    channel = f" A picture has a channel axis, as {[1, *shape]}" if len(shape) == 2 else ""
    return f"is this the data that it was made for (--robust-data)?{channel}"


def measure_clean(
    module: nn.Module, samples: Samples, seed: int = 0, feed: Batcher | None = None, ranks: Ranks = ALONE
) -> CleanResult:
    """Accuracy without an attack."""
    feed = feed or Batcher(BATCH, device_of(module))
    mine = ranks.deal(samples)
    found = ranks.agreed(lambda: feed.columns(lambda x, y, index: answers(module, x, y, seed), mine, bool, bool))
    correct, faulty = map(ranks.whole, found)
    return CleanResult(correct, int(faulty.sum()))


def measure_attack(
    module: nn.Module,
    samples: Samples,
    correct: Flags,
    attack: str | AnyAttack,
    threat: Threat,
    *,
    seed: int = 0,
    feed: Batcher | None = None,
    load: Callable[[str], Model] = no_models,
    draws: bool = False,
    ranks: Ranks = ALONE,
) -> AttackResult:
    """An attack, or the word for one, on the samples in the mask `correct`; `load` makes a model of a surrogate's word.

    Of a model that `draws` a clean input may be answered wrong when it is verified, which does not save the sample.
    ValueError or LookupError where the word is wrong, or the attack cannot be run.
    """
    name, chosen = (attack, make(attack, load)) if isinstance(attack, str) else (describe(attack), attack)
    began = time.monotonic()
    feed = feed or Batcher(BATCH, device_of(module))

    def strike(x: Tensor, y: Tensor, index: Tensor) -> Outcome:
        return assail(module, chosen, x, y, threat, seed=seed, index=index)

    bout = run_attack(module, samples, np.flatnonzero(correct), strike, threat, feed, ranks, draws=draws)
    adversarial, fault = np.zeros(len(samples), bool), np.zeros(len(samples), np.int8)
    adversarial[bout.rows], fault[bout.rows] = bout.adversarial, bout.fault
    return AttackResult(
        attack=name,
        options=options_of(chosen),
        adversarial=adversarial,
        x_adv=in_order(bout.x_adv, bout.rows[bout.adversarial]),
        faulty=int(bout.faulty.sum()),
        fault=fault,
        forwards=int(bout.cost[0]),
        backwards=int(bout.cost[1]),
        seconds=time.monotonic() - began,
    )


def with_rounding(
    found: AttackResult, module: nn.Module, samples: Samples, threat: Threat, levels: int, feed: Batcher
) -> AttackResult:
    """What was found, and what of it stays when the inputs are rounded to so many levels.

    Only where the samples keep to such levels, which the first of them tell for all.
    """
    bounds = (threat.lo, threat.hi)
    if not on_levels(samples.x[:PROBED_SAMPLES], bounds, levels):
        return found
    mine, rounded = samples.take(np.flatnonzero(found.adversarial)), found.adversarial.copy()
    candidates = candidates_of(mine, found.x_adv, threat, feed.size)
    rounded[found.adversarial] = verify_rounded(module, candidates, levels).fault == 0
    return replace(found, rounded=rounded)


def options_of(attack: AnyAttack) -> dict[str, Any]:
    """An attack's options by name, as JSON can hold them; a model is told by its class and its weights."""
    found: dict[str, Any] = _plain(attack) if is_dataclass(attack) else {}
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, nn.Module):
        return f"{type(value).__name__}:{hash_weights(value)[:8]}"
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if is_dataclass(value):
        return {option.name: _plain(getattr(value, option.name)) for option in fields(value)}
    return getattr(value, "__name__", value)
