"""What was trained, kept by a hash of all that determines it: weights as safetensors, and a card that tells of them."""

import copy
import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors.torch import load_file, save
from torch import Tensor, nn

import robust
from robust.attacks.rng import Rng, seeded
from robust.attacks.spec import Spec, slug
from robust.attacks.threat import LpThreat
from robust.data.dataset import Dataset, Samples
from robust.models.load import Build, weights_hash
from robust.store import write
from robust.train.loop import Epoch, Fit, Plan, describe, fit, read_recipe, split_off_validation
from robust.train.recipe import Recipe

OnEpoch = Callable[[Epoch, Plan], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained module, and where its weights and its card are."""

    module: nn.Module
    path: Path
    card: dict[str, Any]


def train(
    build: Build,
    recipe: str,
    dataset: Dataset,
    threat: LpThreat,
    *,
    seed: int,
    folder: Path,
    name: str,
    source: Path | None = None,
    on_epoch: OnEpoch = lambda epoch, plan: None,
) -> Trained:
    """Train a fresh module of `build`, or load what was trained so before; of parallel processes only one trains.

    `source` is the file that the module comes from: another content is another module.
    """
    method, plan = read_recipe(recipe)
    samples = dataset.load("train")
    module = _seeded(build, seed)
    told = _determinants(module, method, plan, recipe, dataset, samples, threat, seed)
    told["source"] = hashlib.sha256(source.read_bytes()).hexdigest() if source else None
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    path = folder / f"{slug(name)}-{Spec.parse(recipe).slug[:60]}-{key[:8]}.safetensors"
    locks = folder / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / key):
        if not path.exists():
            found = fit(module, method, plan, samples, threat, seed=seed, on_epoch=lambda epoch: on_epoch(epoch, plan))
            card = {**told, "key": key, **_results(found, samples, seed)}
            write(path.with_suffix(".json"), (json.dumps(card, indent=1) + "\n").encode())
            write(path, save({name: tensor.detach().clone() for name, tensor in found.weights.items()}))
    module.load_state_dict(load_file(path))  # what is measured is what lies on the disk
    return Trained(module, path, json.loads(path.with_suffix(".json").read_text("utf-8")))


def _seeded(build: Build, seed: int) -> nn.Module:
    with seeded(seed):
        return build()


def _determinants(
    module: nn.Module,
    method: Recipe,
    plan: Plan,
    recipe: str,
    dataset: Dataset,
    samples: Samples,
    threat: LpThreat,
    seed: int,
) -> dict[str, Any]:
    """All that the trained weights depend on."""
    return {
        "recipe": recipe,
        "options": describe(method, plan),
        "data": {"name": dataset.name, "split": "train", "n": len(samples), "digest": samples.digest},
        "threat": str(threat),
        "seed": seed,
        "architecture": {
            "text": str(module),
            "weights": weights_hash(module),
            "answers": _probe(module, samples, seed),
        },
        "code": _code_hash(),
        "versions": {"torch": torch.__version__, "pytest-robust": robust.__version__, "machine": platform.machine()},
        "device": next(module.parameters()).device.type,
    }


def _probe(module: nn.Module, samples: Samples, seed: int) -> list[list[float]]:
    """Answers and input gradients of a copy with other weights, also in training mode: they tell a changed forward.

    Other weights, since a head that starts at zero would hide all that comes before it.
    """
    device = next(module.parameters()).device
    x = torch.from_numpy(samples.x[:4]).to(device)
    found = []
    for mode in (False, True):
        with seeded(seed, [device]):
            copied = copy.deepcopy(module).train(mode)
            with torch.no_grad():
                for parameter in copied.parameters():
                    parameter.add_(0.1 * torch.randn(parameter.shape).to(parameter))
            leaf = x.clone().requires_grad_()
            answer = copied(leaf.clone())
            (grad,) = torch.autograd.grad(answer.square().sum(), leaf)
            found += [_shadow(answer), _shadow(grad)]
    return found


def _shadow(tensor: Tensor) -> list[float]:
    """[its length, its part in a fixed direction as a share of that]: few numbers, so that rounding seldom matters.

    Rounded well above what another number of threads changes; adding 0.0 makes -0.0 and 0.0 the same.
    """
    flat = tensor.detach().cpu().double().flatten()[None]
    direction = Rng.of(0, torch.zeros(1, dtype=torch.int64)).normal(flat)
    length = float(flat.norm())
    share = float((flat * direction).sum()) / max(length, 1e-12)
    return [float(f"{length:.3g}"), round(share, 3) + 0.0]


def _code_hash() -> str:
    """Of the attacks and the training code of this package."""
    root = Path(robust.__file__).parent
    files = [*(root / "attacks").resolve().rglob("*.py"), *(root / "train").rglob("*.py")]
    sha = hashlib.sha256()
    for file in sorted(files, key=lambda path: path.as_posix()):
        sha.update(file.name.encode() + file.read_bytes())
    return sha.hexdigest()


def _results(found: Fit, samples: Samples, seed: int) -> dict[str, Any]:
    learn, validation = split_off_validation(samples, seed)
    return {
        "learnt_from": {"n": len(learn), "digest": learn.digest},
        "selected_by": {"n": len(validation), "digest": validation.digest, "index": validation.index.tolist()},
        "best": asdict(found.best),
        "curve": [asdict(epoch) for epoch in found.curve],
        "minutes": round(found.seconds / 60, 3),
    }
