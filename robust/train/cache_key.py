"""All that trained weights depend on; the cache finds them by its hash."""

import copy
import hashlib
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import robust
from robust.attacks.criteria.registry import DEFAULT
from robust.attacks.files import read_content
from robust.attacks.rng import Rng, seeded
from robust.data.dataset import Samples
from robust.models.weights import hash_weights
from robust.train.factory import Method
from robust.train.recipe import start_recipe
from robust.train.setup import TrainingSpec
from robust.train.teacher import find_file
from robust.user_code import hash_sources, source_files


def list_determinants(spec: TrainingSpec, module: nn.Module, method: Method, samples: Samples) -> dict[str, Any]:
    """Return all that the trained weights depend on, as JSON can hold it; `samples` are the training split."""
    return {
        "recipe": spec.recipe,
        "options": method.options,
        "files": _files(method, module),
        "data": {"name": spec.dataset.name, "split": "train", "n": len(samples), "digest": samples.digest},
        "threat": str(spec.threat),
        **({} if samples.criterion == DEFAULT else {"criterion": samples.criterion}),
        **({"layout": samples.layout_text} if samples.layout else {}),
        "seed": spec.seed,
        "architecture": {
            "text": str(module),
            "weights": hash_weights(module),
            "answers": _probe(module, samples, spec.seed),
        },
        "code": _code_hash(method),
        "versions": {"torch": torch.__version__, "pytest-robust": robust.__version__, "machine": platform.machine()},
        "device": next(module.parameters()).device.type,
        "source": hashlib.sha256(spec.source.read_bytes()).hexdigest() if spec.source else None,
    }


def _files(method: Method, module: nn.Module) -> dict[str, str]:
    """Hash the files that the options name, and a teacher's weights, which a Python file may load from elsewhere."""
    paths = {key: str(method.options.get(key) or "") for key in ("pretrained", "teacher")}
    hashes = {key: hashlib.sha256(read_content(find_file(path))).hexdigest() for key, path in paths.items() if path}
    teacher = getattr(start_recipe(method.recipe, module), "teacher", None)
    return hashes if teacher is None else {**hashes, "teacher weights": hash_weights(teacher)}


def _probe(module: nn.Module, samples: Samples, seed: int) -> list[list[float]]:
    """Return figures of a copy's answers and input gradients, in both modes: they differ if `forward` was changed.

    The copy has other weights, since a head that starts at zero would hide all that comes before it.
    """
    device = next(module.parameters()).device
    x = torch.from_numpy(samples.x[:4]).to(device)
    figures = []
    for mode in (False, True):
        with seeded(seed, [device]):
            copied = copy.deepcopy(module).train(mode)
            with torch.no_grad():
                for parameter in copied.parameters():
                    parameter.add_(0.1 * torch.randn(parameter.shape).to(parameter))
            leaf = x.clone().requires_grad_()
            answer = copied(leaf.clone())
            (grad,) = torch.autograd.grad(answer.square().sum(), leaf)
            figures += [_summarise(answer), _summarise(grad)]
    return figures


def _summarise(tensor: Tensor) -> list[float]:
    """Return [length, part in a fixed direction as a share of it]: few numbers, so that rounding rarely matters.

    They are rounded well above what another number of threads changes; adding 0.0 makes -0.0 and 0.0 the same.
    """
    flat = tensor.detach().cpu().double().flatten()[None]
    direction = Rng.of(0, torch.zeros(1, dtype=torch.int64)).normal(flat)
    length = float(flat.norm())
    share = float((flat * direction).sum()) / max(length, 1e-12)
    return [float(f"{length:.3g}"), round(share, 3) + 0.0]


def _code_hash(method: Method) -> str:
    """Hash the attacks and the training code of this package, and the files of a recipe from elsewhere."""
    root = Path(robust.__file__).parent
    files = {*(root / "attacks").resolve().rglob("*.py"), *(root / "train").rglob("*.py")}
    return hash_sources(files | source_files(map(type, (method.recipe, *method.wrappers))))
