"""Inputs near the samples, by which two processes compare what one model answers; drawn without the attacks' code."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from robust.attacks.engine import eval_mode
from robust.attacks.grammar.features import tables_of
from robust.attacks.grammar.norms import parse_threat
from robust.data.dataset import Samples
from robust.device import device_of
from robust.sampling import draw_rows
from robust.verification.corruptions import is_corruption, read_corruption, show_corrupted
from robust.verification.patches import is_patch, move_patch
from robust.verification.pixels import move_pixels, read_pixels
from robust.verification.products import is_product, move_parts
from robust.verification.tables import move_near
from robust.verification.transforms import is_transform

MOST = 16  # inputs
STEP = 0.03  # of the width of the bounds, where the threat model has no eps
MOST_LOGITS = 4096  # of an input; only maps have as many


@dataclass(frozen=True, slots=True)
class Nearby:
    """Some inputs, and the logits that a model gave them."""

    x: NDArray[np.float32]  # (k, *features)
    logits: NDArray[np.float64]  # (k, classes)


def draw_nearby(samples: Samples, threat: str, bounds: tuple[float, float], seed: int) -> NDArray[np.float32]:
    """Draw for a few of the samples an input at the edge of the ball, (k, *features): each value moves up or down.

    Of a table's row only floats move, each by its eps; of several inputs those that may; of a patch those of one
    window; of pixels as many as may. Under a threat model that transforms each value moves by a share of the bounds; a
    picture is corrupted.
    """
    x = samples.x[draw_rows(len(samples), MOST, seed)]
    signs = np.random.RandomState(seed % 2**32).choice(np.array([-1, 1], np.float32), x.shape)
    if is_product(word := threat.partition("+")[0]):
        return move_parts(word, samples.layout_text, x, signs)
    if is_patch(word):
        return move_patch(word, x, signs, bounds)
    if content := next(iter(tables_of(threat).values()), None):
        return move_near(content, x, signs)
    if (pixels := read_pixels(word)) is not None:
        return move_pixels(pixels, bounds, x, signs)
    if is_corruption(word):
        return show_corrupted(word, bounds, x, read_corruption(word).kinds[0])
    step = STEP * (bounds[1] - bounds[0])
    if not is_transform(word):
        norm, eps = parse_threat(word)
        features = int(np.prod(x.shape[1:]))
        step = float(eps) / {"linf": 1.0, "l2": features**0.5, "l1": float(features)}[norm]
    return np.clip(x + np.float32(step) * signs, np.float32(bounds[0]), np.float32(bounds[1]))


def ask_nearby(module: nn.Module, x: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """Return the logits of inputs (k, *features), (k, classes), in evaluation mode and one batch.

    Of maps, which have a logit for each class and pixel, they are some of these.
    """
    with eval_mode(module, seed), torch.no_grad():
        logits = module(torch.from_numpy(x).to(device_of(module))).double().cpu().flatten(1)
    some: NDArray[np.float64] = logits[:, :: 1 + logits.shape[1] // MOST_LOGITS].numpy()
    return some
