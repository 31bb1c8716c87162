"""Make images of a few adversarial samples: what was changed, and which pixels the model depends on."""

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import eval_mode
from robust.attacks.geometry import per_sample
from robust.attacks.grammar.corruption import list_corruptions
from robust.attacks.layout import Layout
from robust.attacks.task import NoGradientError, gradient
from robust.data.spool import pick_rows
from robust.evaluation.picture import Picture
from robust.flags import Flags
from robust.records.gallery import Gallery, Images, choose_rows
from robust.verification.candidates import Candidates
from robust.verification.corruptions import find_kinds

SIDE = 112  # pixels; larger images are averaged down
STEPS = 32  # of the path of integrated gradients
TINY = 1e-12


def illustrate(
    module: nn.Module, candidates: Candidates, adversarial: Flags, *, most: int, seed: int = 0
) -> Gallery | None:
    """Make the gallery of at most `most` samples, drawn by the seed; None if there are none, or they are no images.

    The candidates are the adversarial samples, those in the mask `adversarial`, (n,), in their order. An image is
    (height, width), or (1 or 3, height, width); of several inputs the first that is one, with numbers beside it.
    """
    row = choose_rows(adversarial, most, seed)
    if candidates.y.ndim == 2:  # an image is shown with its class and the answer's, or with maps of classes
        return None
    layout = Layout.from_json(candidates.layout) if candidates.layout else None
    picture = Picture.of(candidates.x_adv.shape[1:], candidates.bounds, layout)
    if not len(row) or picture is None:
        return None
    places = (np.cumsum(adversarial) - 1)[row]
    draw = _draw_maps if candidates.y.ndim > 1 else _draw_classes
    gallery = draw(module, candidates, row, places, picture, seed)
    theta = None if candidates.theta is None else candidates.theta[places]
    return replace(gallery, theta=theta, kind=_find_kinds(candidates, places))


def _find_kinds(candidates: Candidates, places: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the place in the threat model of the corruption that made each input, (k,); None if it names none."""
    words = [*map(str, list_corruptions(candidates.threat).values())]
    x_adv, x = pick_rows(candidates.x_adv, places), np.asarray(candidates.x[places])
    return find_kinds(words, candidates.bounds, x_adv, x, candidates.pictures) if words else None


def _draw_classes(
    module: nn.Module,
    candidates: Candidates,
    row: NDArray[np.int64],
    places: NDArray[np.int64],
    picture: Picture,
    seed: int,
) -> Gallery:
    """Make the gallery of these rows of the samples, each of one class."""
    y, (clean, shifted) = candidates.y[places], _take_pair(module, candidates, places)
    label = torch.from_numpy(np.array(y)).to(clean.device)
    with eval_mode(module, seed):
        with torch.no_grad():
            shares = module(shifted.clone()).cpu().double().softmax(1)
        saliency = _saliency(module, clean, label, picture)
        integrated = None if saliency is None else _integrate(module, clean, label, picture, candidates.batch)
    sure, answer = shares.max(1)
    return Gallery(
        row=row,
        label=y,
        answer=answer.numpy(),
        sure=sure.float().numpy(),
        saliency=saliency,
        integrated=integrated,
        **_draw_pair(clean, shifted, picture),
    )


def _draw_maps(
    module: nn.Module,
    candidates: Candidates,
    row: NDArray[np.int64],
    places: NDArray[np.int64],
    picture: Picture,
    seed: int,
) -> Gallery:
    """Make the gallery of these rows of the samples, whose labels and answers are maps."""
    y, criterion = candidates.y[places], read_criterion(candidates.criterion)
    clean, shifted = _take_pair(module, candidates, places)
    with eval_mode(module, seed), torch.no_grad():
        maps = [module(part.clone()).cpu() for part in (clean, shifted)]
    return Gallery(
        row=row,
        label=y,
        answer=maps[1].argmax(1).numpy(),
        sure=criterion.score(maps[1], torch.from_numpy(y)).float().numpy(),
        saliency=None,
        integrated=None,
        before=maps[0].argmax(1).numpy(),
        **_draw_pair(clean, shifted, picture),
    )


def _take_pair(module: nn.Module, candidates: Candidates, places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return the samples at these places and their adversarial inputs, each (k, *features), where the module is."""
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    clean, shifted = candidates.x[places], pick_rows(candidates.x_adv, places)
    return torch.from_numpy(np.array(clean)).to(device), torch.from_numpy(np.array(shifted)).to(device)


def _draw_pair(clean: Tensor, shifted: Tensor, picture: Picture) -> dict[str, Any]:
    """Return the fields of a gallery that show samples, their adversarial inputs and the change between the two."""
    before, after = (_to_planes(picture.take(x), picture.bounds) for x in (clean, shifted))
    return {
        "original": _to_bytes(before),
        "change": _to_bytes(0.5 + 0.5 * _scale(after - before)),
        "adversarial": _to_bytes(after),
        "values": picture.beside(clean.cpu().numpy(), shifted.cpu().numpy()),
    }


def to_images(x: NDArray[np.float32], bounds: tuple[float, float], layout: Layout | None = None) -> Images:
    """Return inputs, (k, *shape), as the images that the page shows; ValueError if there is no image in them."""
    picture = Picture.of(x.shape[1:], bounds, layout)
    if picture is None:
        raise ValueError("there are images, and none in the inputs")
    return _to_bytes(_to_planes(torch.from_numpy(np.array(picture.take(x))), picture.bounds))


def _saliency(module: nn.Module, x: Tensor, y: Tensor, picture: Picture) -> Images | None:
    """Return the absolute gradient of the loss with respect to the inputs (1312.6034); None if there is no gradient."""
    with torch.enable_grad():
        leaf = x.clone().requires_grad_()
        try:
            grad = gradient(CLASS.loss("ce", module(leaf.clone()), y).sum(), leaf)
        except NoGradientError:
            return None
    return _to_map(picture.take(grad))


def _integrate(module: nn.Module, x: Tensor, y: Tensor, picture: Picture, batch: int) -> Images | None:
    """Return integrated gradients (1703.01365) of the right class; None without captum."""
    if find_spec("captum") is None:
        return None
    from captum.attr import IntegratedGradients

    method, baseline = IntegratedGradients(module), picture.drop(x, picture.bounds[0])
    parts = [
        method.attribute(x[k : k + 1], baseline[k : k + 1], target=int(y[k]), n_steps=STEPS, internal_batch_size=batch)
        for k in range(len(x))
    ]
    return _to_map(picture.take(torch.cat(parts).detach()))


def _to_map(values: Tensor) -> Images:
    """Return (k, *shape) as grey images: the largest absolute value over the channels."""
    planes = _add_channel(values.abs()).amax(1, keepdim=True)
    return _to_bytes(_scale(_shrink(planes)))


def _to_planes(x: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Return (k, channels, height, width) from 0 to 1, no larger than SIDE."""
    lo, hi = bounds
    return _shrink((_add_channel(x).cpu().double() - lo) / (hi - lo))


def _add_channel(x: Tensor) -> Tensor:
    return x if x.ndim == 4 else x.unsqueeze(1)


def _shrink(x: Tensor) -> Tensor:
    factor = -(-max(x.shape[2:]) // SIDE)
    return nn.functional.avg_pool2d(x, factor) if factor > 1 else x


def _scale(x: Tensor) -> Tensor:
    return x / per_sample(x.abs().flatten(1).amax(1).clamp_min(TINY), x)


def _to_bytes(x: Tensor) -> Images:
    """Return values from 0 to 1 as 8 bits, the channels last."""
    values = (255 * x.cpu().double()).round().clamp(0, 255).to(torch.uint8)
    images: Images = values.permute(0, 2, 3, 1).numpy()
    return images
