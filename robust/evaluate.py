"""Measure a model: its answers to clean inputs, and each attack on all that it answers right, sample by sample."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.engine import Attack, answers, assail
from robust.attacks.factory import make
from robust.attacks.threat import LpThreat
from robust.data.dataset import Dataset, Samples

BATCH = 250

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Clean:
    """The model's answers to the samples as they are."""

    correct: Flags  # (n,)
    faulty: int  # samples answered with something not finite


@dataclass(frozen=True, slots=True)
class Finding:
    """What one attack found, started on all samples that are answered right."""

    attack: str  # as the user wrote it
    options: dict[str, Any]  # all of them, the defaults included
    broken: Flags  # (n,): by an input that the driver admitted and a second look confirmed
    x_adv: NDArray[np.float32]  # (broken, *shape): those inputs, in the samples' order
    faulty: int  # samples on which the model answered something not finite on the way
    unconfirmed: int  # samples that fell in the attack and not on the second look
    forwards: int  # samples sent through the model
    backwards: int
    seconds: float


def check(module: nn.Module, dataset: Dataset, samples: Samples) -> None:
    """One batch through the model; ValueError, in one line, where it does not take the data or give logits."""
    x, y = samples.x[:2], samples.y[:2]
    try:
        module.eval()
        with torch.enable_grad():
            clean = torch.tensor(x, device=_device(module), requires_grad=True)
            logits = module(clean.clone())
    except Exception as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"the model does not take {dataset.name}, inputs of shape {list(x.shape)}: {told}") from error
    if not isinstance(logits, Tensor) or logits.shape != (len(y), dataset.classes):
        got = f"shape {list(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"the model must answer {dataset.name}, {dataset.classes} classes, with logits of shape "
            f"{[len(y), dataset.classes]}, got {got}"
        )
    if not logits.is_floating_point():
        raise ValueError(f"the model must answer with logits, floating-point numbers, got {logits.dtype}")
    if not logits.requires_grad:
        raise ValueError("no gradient leads from the model's answer to its input; is there a no_grad or detach inside?")


def measure_clean(module: nn.Module, samples: Samples, seed: int = 0) -> Clean:
    """Accuracy without an attack."""
    parts = [answers(module, x, y, seed) for x, y, _ in _batches(module, samples)]
    correct, faulty = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return Clean(correct, int(faulty.sum()))


def measure_attack(
    module: nn.Module, samples: Samples, correct: Flags, spec: str, threat: LpThreat, *, seed: int = 0
) -> Finding:
    """The attack `spec` on the samples in the mask `correct`. ValueError or LookupError where the spec is wrong."""
    attack, began = make(spec), time.monotonic()
    rows = np.flatnonzero(correct)
    outcomes = [
        assail(module, attack, x, y, threat, seed=seed, index=index)
        for x, y, index in _batches(module, samples.take(rows))
    ]
    fallen = _joined([o.fallen for o in outcomes], bool)
    x_adv = _joined([o.x_adv for o in outcomes], np.float32).reshape(-1, *samples.x.shape[1:])[fallen]
    fell = samples.take(rows[fallen])
    sure = confirm(module, x_adv, fell, threat)
    broken = np.zeros(len(samples), bool)
    broken[rows[fallen][sure]] = True
    return Finding(
        attack=spec,
        options=options_of(attack),
        broken=broken,
        x_adv=x_adv[sure],
        faulty=sum(int(o.faulty.sum()) for o in outcomes),
        unconfirmed=int((~sure).sum()),
        forwards=sum(int(o.cost.forwards.sum()) for o in outcomes),
        backwards=sum(int(o.cost.backwards.sum()) for o in outcomes),
        seconds=time.monotonic() - began,
    )


def confirm(module: nn.Module, x_adv: NDArray[np.float32], samples: Samples, threat: LpThreat) -> Flags:
    """A second look, in other batches, at the very numbers that will be stored: admitted, finite, and a wrong label."""
    moved = Samples(x_adv, samples.y, samples.index)
    sure = []
    for (x, y, _), (clean, _, _) in zip(_batches(module, moved), _batches(module, samples), strict=True):
        right, faulty = answers(module, x, y)
        sure.append(~right & ~faulty & threat.admits(x, clean))
    return _joined(sure, bool)


def options_of(attack: Attack[Any]) -> dict[str, Any]:
    """An attack's options by name, as JSON can hold them."""
    found: dict[str, Any] = asdict(attack) if is_dataclass(attack) and not isinstance(attack, type) else {}
    return {key: getattr(value, "__name__", value) for key, value in found.items()}


def _batches(module: nn.Module, samples: Samples) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    device = _device(module)
    for i in range(0, len(samples), BATCH):
        part = slice(i, i + BATCH)
        arrays = (samples.x[part], samples.y[part], samples.index[part])
        x, y, index = (torch.from_numpy(array).to(device) for array in arrays)
        yield x, y, index


def _device(module: nn.Module) -> torch.device:
    return next((p.device for p in module.parameters()), torch.device("cpu"))


def _joined(parts: list[Tensor], dtype: Any) -> NDArray[Any]:
    return np.concatenate([part.cpu().numpy().astype(dtype) for part in parts]) if parts else np.zeros(0, dtype)
