"""picture-order: images have another form than in training: other colour order, inverted, or transposed."""

from collections.abc import Iterator

import numpy as np

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import Inputs, ModelProbe
from robust.trust.preflight._better import Transform, find_improvement


@PREFLIGHT.register("picture-order")
def picture_order(probe: ModelProbe) -> Finding | None:
    """Check that no other form of the images improves the accuracy.

    OpenCV reads blue first; MNIST is white on black; some files store columns before rows.
    """
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
    if x.shape[-1] == x.shape[-2]:
        yield "transposed", lambda x: np.ascontiguousarray(x.swapaxes(-1, -2))
    if x.ndim == 4 and x.shape[1] == 3:
        yield "with their colours in reverse order", lambda x: np.ascontiguousarray(x[:, ::-1])
