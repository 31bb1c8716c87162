"""Measure a model: its answers to clean inputs, and each attack on all that it answers right, sample by sample."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.engine import AnyAttack, Outcome, answers, assail
from robust.attacks.factory import describe, make, no_models
from robust.attacks.task import Cost, Model
from robust.attacks.threat import Threat
from robust.data.dataset import Dataset, Samples
from robust.feed import Feed
from robust.models.load import weights_hash
from robust.record import Reached
from robust.trust.rounding import on_levels, verify_rounded
from robust.trust.verify import Faults, verify

BATCH = 250  # where nothing else is known
TRIED = 64  # samples that are shown to a model before the first test

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Clean:
    """The model's answers to the samples as they are."""

    correct: Flags  # (n,)
    faulty: int  # samples answered with something not finite


@dataclass(frozen=True, slots=True)
class Finding:
    """What one attack, or one suite, found, started on all samples that are answered right."""

    attack: str  # as a word: "pgd:steps=40", "standard-1"
    options: dict[str, Any]  # all of them, the defaults included
    broken: Flags  # (n,): by an input that the driver admitted and that was then verified
    x_adv: NDArray[np.float32]  # (broken, *shape): those inputs, in the samples' order
    faulty: int  # samples on which the model answered something not finite on the way
    fault: Faults  # (n,): of the samples that fell to an input that was not verified, what is wrong with that
    forwards: int  # samples sent through the model
    backwards: int
    seconds: float
    stages: tuple[Reached, ...] = ()  # of a suite
    partial: str = ""  # why it was stopped before its end
    rounded: Flags | None = None  # (n,): broken also once the input is rounded to the data's levels


def check(module: nn.Module, dataset: Dataset, samples: Samples) -> None:
    """A few samples through the model; ValueError, in one line, where it does not take them or give logits."""
    x = samples.x[:2]
    try:
        module.eval()
        with torch.enable_grad():
            clean = torch.tensor(x, device=device_of(module), requires_grad=True)
            logits = module(clean.clone())
    except Exception as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"the model does not take {dataset.name}, inputs of shape {list(x.shape)}: {told}; "
            "is this the data that it was made for (--robust-data)?"
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (len(x), dataset.classes):
        got = f"shape {list(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"the model must answer {dataset.name}, {dataset.classes} classes, with logits of shape "
            f"{[len(x), dataset.classes]}, got {got}"
        )
    if not logits.is_floating_point():
        raise ValueError(f"the model must answer with logits, floating-point numbers, got {logits.dtype}")
    reached = logits.requires_grad and torch.autograd.grad(logits.sum(), clean, allow_unused=True)[0] is not None
    if not reached:
        raise ValueError("no gradient leads from the model's answer to its input; is there a no_grad or detach inside?")
    few = samples.take(np.arange(min(TRIED, len(samples))))
    if faulty := measure_clean(module, few).faulty:
        raise ValueError(f"the model answers {faulty} of {len(few)} clean samples with NaN or infinity")


def measure_clean(module: nn.Module, samples: Samples, seed: int = 0, feed: Feed | None = None) -> Clean:
    """Accuracy without an attack."""
    feed = feed or Feed(BATCH, device_of(module))
    parts = feed.each(lambda x, y, index: answers(module, x, y, seed), samples)
    correct, faulty = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return Clean(correct, int(faulty.sum()))


def measure_attack(
    module: nn.Module,
    samples: Samples,
    correct: Flags,
    attack: str | AnyAttack,
    threat: Threat,
    *,
    seed: int = 0,
    feed: Feed | None = None,
    load: Callable[[str], Model] = no_models,
) -> Finding:
    """An attack, or the word for one, on the samples in the mask `correct`; `load` makes a model of a surrogate's word.

    ValueError or LookupError where the word is wrong, or the attack cannot be run.
    """
    name, chosen = (attack, make(attack, load)) if isinstance(attack, str) else (describe(attack), attack)
    began = time.monotonic()
    feed = feed or Feed(BATCH, device_of(module))
    rows = np.flatnonzero(correct)
    started = samples.take(rows)
    outcomes = feed.each(
        lambda x, y, index: off_device(assail(module, chosen, x, y, threat, seed=seed, index=index)), started
    )
    broken, fault = np.zeros(len(samples), bool), np.zeros(len(samples), np.int8)
    broken[rows], fault[rows], x_adv = look_again(module, started, outcomes, threat, feed)
    return Finding(
        attack=name,
        options=options_of(chosen),
        broken=broken,
        x_adv=x_adv,
        faulty=sum(int(o.faulty.sum()) for o in outcomes),
        fault=fault,
        forwards=sum(int(o.cost.forwards.sum()) for o in outcomes),
        backwards=sum(int(o.cost.backwards.sum()) for o in outcomes),
        seconds=time.monotonic() - began,
    )


def look_again(
    module: nn.Module, samples: Samples, outcomes: list[Outcome], threat: Threat, feed: Feed
) -> tuple[Flags, Faults, NDArray[np.float32]]:
    """Verify the very numbers that will be stored: (broken (n,), faults of the others that fell (n,), their inputs)."""
    fallen = joined([o.fallen for o in outcomes], bool)
    x_adv = joined([o.x_adv for o in outcomes], np.float32).reshape(-1, *samples.x.shape[1:])[fallen]
    mine, fault = samples.take(np.flatnonzero(fallen)), np.zeros(len(fallen), np.int8)
    look = verify(module, x_adv, mine.x, mine.y, str(threat), (threat.lo, threat.hi), batch=feed.size)
    fault[fallen] = look.fault
    return fallen & (fault == 0), fault, x_adv[look.fault == 0]


def with_rounding(
    found: Finding, module: nn.Module, samples: Samples, threat: Threat, levels: int, feed: Feed
) -> Finding:
    """What was found, and what of it stays when the inputs are rounded to so many levels.

    Only where the samples keep to such levels, which the first of them tell for all.
    """
    bounds = (threat.lo, threat.hi)
    if not on_levels(samples.x[:TRIED], bounds, levels):
        return found
    mine, rounded = samples.take(np.flatnonzero(found.broken)), found.broken.copy()
    look = verify_rounded(module, found.x_adv, mine.x, mine.y, str(threat), bounds, levels, batch=feed.size)
    rounded[found.broken] = look.fault == 0
    return replace(found, rounded=rounded)


def options_of(attack: AnyAttack) -> dict[str, Any]:
    """An attack's options by name, as JSON can hold them; a model is told by its class and its weights."""
    found: dict[str, Any] = _plain(attack) if is_dataclass(attack) else {}
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, nn.Module):
        return f"{type(value).__name__}:{weights_hash(value)[:8]}"
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if is_dataclass(value):
        return {option.name: _plain(getattr(value, option.name)) for option in fields(value)}
    return getattr(value, "__name__", value)


def device_of(module: nn.Module) -> torch.device:
    """Where the module's parameters are; the CPU if it has none."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))


def off_device(outcome: Outcome) -> Outcome:
    """Off the GPU, where the next batch needs the room."""
    cost = Cost(outcome.cost.forwards.cpu(), outcome.cost.backwards.cpu())
    return Outcome(outcome.fallen.cpu(), outcome.x_adv.cpu(), outcome.faulty.cpu(), outcome.margin.cpu(), cost)


def joined(parts: list[Tensor], dtype: Any) -> NDArray[Any]:
    return np.concatenate([part.cpu().numpy().astype(dtype) for part in parts]) if parts else np.zeros(0, dtype)
