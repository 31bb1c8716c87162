"""Reading answers that are maps: the classes of pixels, (n, C, height, width), or of two classes one number a pixel."""

from typing import Any

import torch
from torch import Tensor

from robust.models.output_form import LOGIT
from robust.models.output_reader import LastActivation, Reader


class MapReader(Reader):
    """The forward of a module whose maps need reading: it returns logits (n, classes, height, width)."""

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        if self.form.kind == LOGIT:
            maps = as_maps(self._take(self.forward(*args, **kwargs)))
            return maps if maps.shape[1] > 1 else torch.cat([torch.zeros_like(maps), maps], 1)
        with LastActivation() as last:
            maps = as_maps(self._take(self.forward(*args, **kwargs)))
        rows = self.decode(to_rows(maps), rows_of(last))
        return rows.reshape(len(maps), *maps.shape[2:], -1).movedim(-1, 1)


def as_maps(answer: Tensor) -> Tensor:
    """Return (n, C, height, width), from that or from (n, height, width)."""
    return answer if answer.dim() == 4 else answer[:, None]


def to_rows(maps: Tensor) -> Tensor:
    """Return maps, (n, C, height, width), as one row for each pixel, (n * height * width, C)."""
    return maps.movedim(1, -1).flatten(0, -2)


def rows_of(last: LastActivation) -> LastActivation:
    """Return what a last step took with one row for each pixel, as the step would have taken it of classes."""
    if last.x is not None and last.x.dim() in (3, 4):
        last.x = to_rows(as_maps(last.x))
    return last


def find_channels(answer: Tensor, n: int, classes: int, declared: bool, size: tuple[int, ...]) -> int:
    """Return for how many classes maps of this size are, 1 for one number a pixel; 0 if they are not for these classes.

    `declared` is whether the number of classes is sure; else the model may have more.
    """
    if not answer.is_floating_point() or answer.dim() not in (3, 4) or len(answer) != n:
        return 0
    channels = int(as_maps(answer).shape[1])
    if tuple(answer.shape[-2:]) != tuple(size):
        return 0
    if channels == 1:
        return 1 if classes <= 2 else 0
    return channels if channels == classes or (channels > classes and not declared) else 0
