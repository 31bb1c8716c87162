"""picture-order: images have another form than in training: turned, mirrored, inverted, or other colours first."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import Inputs, ModelProbe
from robust.trust.preflight._better import Transform, count_passes, find_improvement

ORDERS = {  # of rows and columns: whether they are exchanged, and then which axes run backwards
    "turned by 180 degrees": (False, (-2, -1)),
    "mirrored left to right": (False, (-1,)),
    "mirrored top to bottom": (False, (-2,)),
    "transposed": (True, ()),
    "turned by 90 degrees to the left": (True, (-2,)),
    "turned by 90 degrees to the right": (True, (-1,)),
    "transposed and turned by 180 degrees": (True, (-2, -1)),
}


@PREFLIGHT.register("picture-order")
@any_criterion
@costs(lambda probe: count_passes(probe, len([*_transforms(probe.x[:1], 0.0)])))
def picture_order(probe: ModelProbe) -> Finding | None:
    """Check that no other form of the images improves the accuracy.

    OpenCV reads blue first; MNIST is white on black; some files store columns before rows, or the last row first, and
    cameras turn.
    """
    probe.require_one_input()
    improvement = find_improvement(probe, dict(_transforms(probe.x, probe.dataset.lo + probe.dataset.hi)))
    if improvement is None:
        return None
    hint = "give the model images in the form that it was trained on"
    return Finding("picture-order", improvement.grade, improvement.gain, improvement.message, hint)


def _transforms(x: Inputs, ends: float) -> Iterator[tuple[str, Transform]]:
    """Yield changes of images, (n, channels, height, width) or (n, height, width), each with a description.

    `ends` is lo + hi, the sum of a value and its inverse.
    """
    if x.ndim not in (3, 4):
        return
    yield "inverted", lambda x: np.float32(ends) - x
    for name, (transposed, backwards) in ORDERS.items():
        if not transposed or x.shape[-1] == x.shape[-2]:
            yield name, partial(_reorder, transposed=transposed, backwards=backwards)
    if x.ndim == 4 and x.shape[1] == 3:
        yield "with their colours in reverse order", lambda x: np.ascontiguousarray(x[:, ::-1])


def _reorder(x: Inputs, transposed: bool, backwards: tuple[int, ...]) -> Inputs:
    return np.ascontiguousarray(np.flip(x.swapaxes(-1, -2) if transposed else x, backwards))
