"""Pictures are given in another form than in training: colours in another order, inverted, or turned on their side."""

from collections.abc import Iterator

import numpy as np

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import Inputs, ModelProbe
from robust.trust.preflight._better import Alternative, better


@PREFLIGHT.register("picture-order")
def picture_order(look: ModelProbe) -> Finding | None:
    """What OpenCV reads is blue first; MNIST is white on black; some files hold columns before rows."""
    found = better(look, dict(_ways(look.x, look.dataset.lo + look.dataset.hi)))
    if found is None:
        return None
    return Finding("picture-order", found.grade, found.gain, found.told, "give the model what it was trained on")


def _ways(x: Inputs, ends: float) -> Iterator[tuple[str, Alternative]]:
    """Pictures, (n, channels, height, width) or (n, height, width), as they would be in another form."""
    if x.ndim not in (3, 4):
        return
    yield "inverted", lambda x: np.float32(ends) - x
    if x.shape[-1] == x.shape[-2]:
        yield "transposed", lambda x: np.ascontiguousarray(x.swapaxes(-1, -2))
    if x.ndim == 4 and x.shape[1] == 3:
        yield "with their colours in reverse order", lambda x: np.ascontiguousarray(x[:, ::-1])
