"""All that trained weights depend on: its hash is what they are kept by."""

import copy
import hashlib
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import robust
from robust.attacks.rng import Rng, seeded
from robust.attacks.threats.lp import LpThreat
from robust.data.dataset import Dataset, Samples
from robust.models.load import hash_weights
from robust.train.factory import Method
from robust.train.recipe import start_recipe
from robust.user_code import hash_sources, source_files


def list_determinants(
    module: nn.Module,
    method: Method,
    recipe: str,
    dataset: Dataset,
    samples: Samples,
    threat: LpThreat,
    seed: int,
) -> dict[str, Any]:
    """All that the trained weights depend on."""
    return {
        "recipe": recipe,
        "options": method.options,
        "files": _files(method, module),
        "data": {"name": dataset.name, "split": "train", "n": len(samples), "digest": samples.digest},
        "threat": str(threat),
        "seed": seed,
        "architecture": {
            "text": str(module),
            "weights": hash_weights(module),
            "answers": _probe(module, samples, seed),
        },
        "code": _code_hash(method),
        "versions": {"torch": torch.__version__, "pytest-robust": robust.__version__, "machine": platform.machine()},
        "device": next(module.parameters()).device.type,
    }


def _files(method: Method, module: nn.Module) -> dict[str, str]:
    """What the options name, by its content; and a teacher's weights, which a Python file may take from elsewhere."""
    named = {key: str(method.options.get(key) or "") for key in ("pretrained", "teacher")}
    found = {key: hashlib.sha256(Path(text).read_bytes()).hexdigest() for key, text in named.items() if text}
    teacher = getattr(start_recipe(method.recipe, module), "teacher", None)
    return found if teacher is None else {**found, "teacher weights": hash_weights(teacher)}


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


def _code_hash(method: Method) -> str:
    """Of the attacks and the training code of this package, and of a recipe that comes from elsewhere."""
    root = Path(robust.__file__).parent
    files = {*(root / "attacks").resolve().rglob("*.py"), *(root / "train").rglob("*.py")}
    return hash_sources(files | source_files(map(type, (method.recipe, *method.wrappers))))
