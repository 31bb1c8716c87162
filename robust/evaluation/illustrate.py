"""Make the pictures of a few broken samples: what was changed, and what the model looks at."""

from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.criteria.classification import CLASS
from robust.attacks.engine import eval_mode
from robust.attacks.task import NoGradientError, gradient
from robust.data.dataset import Samples
from robust.data.spool import pick_rows
from robust.records.gallery import Gallery, Pictures, choose_rows

SIDE = 112  # pixels: of larger pictures the means of so many beside one another are shown
STEPS = 32  # of the path that integrated gradients take
TINY = 1e-12


def illustrate(
    module: nn.Module,
    samples: Samples,
    adversarial: NDArray[np.bool_],
    x_adv: NDArray[np.float32],
    bounds: tuple[float, float],
    *,
    most: int,
    seed: int = 0,
    batch: int = 8,
) -> Gallery | None:
    """Of at most so many of the `broken` samples, (n,), with `x_adv`, (broken, *shape).

    None where there are none, or their inputs are no pictures: (height, width), or (1 or 3, height, width).
    """
    row = choose_rows(adversarial, most, seed)
    if not len(row) or not _pictured(samples.x.shape[1:]):
        return None
    mine, inputs = samples.take(row), pick_rows(x_adv, (np.cumsum(adversarial) - 1)[row])
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    x, y, shifted = (torch.from_numpy(np.array(part)).to(device) for part in (mine.x[:], mine.y, inputs))
    with eval_mode(module, seed):
        with torch.no_grad():
            shares = module(shifted.clone()).double().softmax(1).cpu()
        saliency = _saliency(module, x, y)
        integrated = None if saliency is None else _integrated(module, x, y, bounds[0], batch)
    before, after = _shown(x, bounds), _shown(shifted, bounds)
    sure, answer = shares.max(1)
    return Gallery(
        row=row,
        label=mine.y,
        answer=answer.numpy(),
        sure=sure.float().numpy(),
        original=_pixels(before),
        change=_pixels(0.5 + 0.5 * _scaled(after - before)),
        adversarial=_pixels(after),
        saliency=saliency,
        integrated=integrated,
    )


def pixels(x: NDArray[np.float32], bounds: tuple[float, float]) -> Pictures:
    """Inputs, (k, *shape), as they are shown."""
    return _pixels(_shown(torch.from_numpy(np.array(x)), bounds))


def _pictured(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))


def _saliency(module: nn.Module, x: Tensor, y: Tensor) -> Pictures | None:
    """The gradient of the loss with respect to the inputs, without sign (1312.6034); None where none leads there."""
    with torch.enable_grad():
        leaf = x.clone().requires_grad_()
        try:
            found = gradient(CLASS.loss("ce", module(leaf.clone()), y).sum(), leaf)
        except NoGradientError:
            return None
    return _map(found)


def _integrated(module: nn.Module, x: Tensor, y: Tensor, baseline: float, batch: int) -> Pictures | None:
    """Integrated gradients (1703.01365) of the right class; None without captum."""
    if find_spec("captum") is None:
        return None
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(module)
    parts = [
        method.attribute(x[k : k + 1], baseline, target=int(y[k]), n_steps=STEPS, internal_batch_size=batch)
        for k in range(len(x))
    ]
    return _map(torch.cat(parts).detach())


def _map(values: Tensor) -> Pictures:
    """(k, *shape) as grey pictures: the largest number over the channels, without sign."""
    planes = _planes(values.abs()).amax(1, keepdim=True)
    return _pixels(_scaled(_smaller(planes)))


def _shown(x: Tensor, bounds: tuple[float, float]) -> Tensor:
    """(k, channels, height, width) from 0 to 1, no larger than SIDE."""
    lo, hi = bounds
    return _smaller((_planes(x).double() - lo) / (hi - lo))


def _planes(x: Tensor) -> Tensor:
    return x if x.ndim == 4 else x.unsqueeze(1)


def _smaller(x: Tensor) -> Tensor:
    factor = -(-max(x.shape[2:]) // SIDE)
    return nn.functional.avg_pool2d(x, factor) if factor > 1 else x


def _scaled(x: Tensor) -> Tensor:
    return x / x.abs().flatten(1).amax(1).clamp_min(TINY).view(-1, 1, 1, 1)


def _pixels(x: Tensor) -> Pictures:
    """From 0 to 1 as 8 bits, the channels last."""
    found: Pictures = (255 * x.double()).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return found
