"""A user's Dataset whose transform resizes pictures: what they are before that, and what becomes of changed ones.

Its transform is cut at its first resize. A picture that is changed there goes on by the Dataset's own code: the resize,
whatever follows it, and whatever the Dataset does besides.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from robust.attacks.corruptions.kinds import SMALLEST
from robust.data.convert import is_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Levels = NDArray[np.uint8]  # (height, width, 1 or 3), from 0 to 255

# Steps that resize, by the names of their classes: torchvision's, its presets for a network's weights, and timm's.
RESIZES = ("Resize", "RandomResizedCrop", "ImageClassification", "SemanticSegmentation", "ResizeKeepRatio")
CHAINS = ("Compose", "Sequential")  # what holds steps that are taken one after the other
MODES = ("L", "RGB")

Change = Callable[["Levels"], "Levels"]


class ResizedPictures:
    """The pictures of a Dataset with a transform that resizes them."""

    def __init__(self, dataset: Any, tap: "_Tap") -> None:
        self._dataset = dataset
        self._tap = tap

    @property
    def steps(self) -> str:
        """Name the steps from the resize on: "Resize(32), ToTensor"."""
        return ", ".join(map(_describe, self._tap.rest))

    def read_unchanged(self, row: int) -> Any:
        """Return an item that is made by the steps of the transform, one after the other."""
        return self._dataset[row]

    def read(self, row: int, change: Change) -> tuple[Any, tuple[int, int]]:
        """Return an item, made of a changed picture, and the height and width of that.

        ValueError, in one line, if the picture has no 8 bits a channel.
        """
        self._tap.sizes.clear()
        self._tap.change = change
        try:
            item = self._dataset[row]
        finally:
            self._tap.change = None
        if len(self._tap.sizes) != 1:
            raise ValueError(f"item {row} is made of {len(self._tap.sizes)} pictures that are resized, expected one")
        return item, self._tap.sizes[0]


def find_resized(dataset: Any) -> ResizedPictures | None:
    """Return the pictures of a Dataset before its own resize; None if no resize is seen, or if not one picture goes in.

    Seen are torchvision's and timm's, in a Compose that an attribute of the Dataset holds. The user's object is left as
    it is: its shallow copy gets a transform that can be stopped.
    """
    within = _names(dataset) & {"Subset"} and hasattr(dataset, "indices")
    if within and (inner := find_resized(dataset.dataset)) is not None:
        (subset := copy.copy(dataset)).dataset = inner._dataset
        return ResizedPictures(subset, inner._tap)
    found = [(name, steps) for name, steps in _list_chains(dataset) if _find_first(steps) is not None]
    if len(found) != 1:
        return None
    (name, steps) = found[0]
    at = _find_first(steps)
    assert at is not None
    tap = _Tap(steps[:at], steps[at:])
    try:
        setattr(tapped := copy.copy(dataset), name, tap)
        tapped[0]  # of a Dataset that keeps its items, which the copy shares, no picture goes in at the second reading
        pictures = ResizedPictures(tapped, tap)
        pictures.read(0, lambda levels: levels)
    except Exception:  # a user's code may raise anything; what is not understood is read as it always was
        return None
    return pictures


class _Tap:
    """A user's transform that changes the picture before its first resize."""

    def __init__(self, head: Sequence[Any], rest: Sequence[Any]) -> None:
        self.head = head
        self.rest = rest
        self.change: Change | None = None
        self.sizes: list[tuple[int, int]] = []  # of the pictures that were changed

    def __call__(self, picture: Any) -> Any:
        for step in self.head:
            picture = step(picture)
        if self.change is not None:
            levels, back = _to_levels(picture)
            _check_size(levels)
            self.sizes.append((levels.shape[0], levels.shape[1]))
            picture = back(self.change(levels))
        for step in self.rest:
            picture = step(picture)
        return picture


def _list_chains(dataset: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield the attributes of a Dataset that can be called, each as the steps that it takes."""
    for name, value in getattr(dataset, "__dict__", {}).items():
        if callable(value):
            yield name, [*_list_steps(value)]


def _list_steps(transform: Any) -> Iterator[Any]:
    """Yield the steps of a transform, those of nested ones in their place."""
    if not _names(transform) & {*CHAINS}:
        yield transform
        return
    for step in getattr(transform, "transforms", transform):
        yield from _list_steps(step)


def _find_first(steps: Sequence[Any]) -> int | None:
    """Return the place of the first step that resizes; None if none does."""
    return next((k for k, step in enumerate(steps) if _names(step) & {*RESIZES}), None)


def _names(value: Any) -> set[str]:
    return {cls.__name__ for cls in type(value).__mro__}


def _describe(step: Any) -> str:
    """Return the name of a step, with the size that it makes."""
    size = getattr(step, "size", None)
    sides = size if isinstance(size, list | tuple) else [size] * (size is not None)
    name = getattr(step, "__name__", type(step).__name__)
    return f"{name}({'x'.join(map(str, sides))})" if sides else str(name)


def _to_levels(picture: Any) -> "tuple[Levels, Callable[[Levels], Any]]":
    """Return a picture as levels, and the function that gives levels its form; ValueError if it has no 8 bits."""
    import numpy as np

    if is_image(picture):
        if picture.mode not in MODES:
            raise ValueError(f"a picture of mode {picture.mode} is resized; convert it to {' or '.join(MODES)} before")
        levels = np.asarray(picture)
        return levels.reshape(*levels.shape[:2], -1), lambda made: _to_image(made, picture.mode)
    if hasattr(picture, "detach"):
        return _of_tensor(picture)
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim in (2, 3):
        shape = picture.shape
        return picture.reshape(*shape[:2], -1), lambda made: made.reshape(shape)
    raise ValueError(f"what is resized is {type(picture).__name__}, expected a picture of 8 bits a channel")


def _check_size(levels: "Levels") -> None:
    """Raise ValueError, in one line, unless levels are of a picture that can be corrupted."""
    if levels.ndim != 3 or levels.shape[2] not in (1, 3) or min(levels.shape[:2]) < SMALLEST:
        raise ValueError(
            f"a picture of shape {[*levels.shape]} is resized, expected {SMALLEST} pixels a side or more, grey or in "
            "colour; give corruption:3:after to corrupt inputs as they are"
        )


def _to_image(levels: "Levels", mode: str) -> Any:
    from PIL import Image

    return Image.fromarray(levels[..., 0] if mode == "L" else levels)


def _of_tensor(picture: Any) -> "tuple[Levels, Callable[[Levels], Any]]":
    """Return a tensor, (channels, height, width) of uint8 or of floats from 0 to 1, as levels, and the way back."""
    import numpy as np
    import torch

    floats = picture.is_floating_point()
    plain = picture.detach().cpu().as_subclass(torch.Tensor)
    if picture.dim() != 3 or not (floats or picture.dtype == torch.uint8):
        raise ValueError(f"what is resized is {picture.dtype} of shape {[*picture.shape]}, expected a picture")
    if floats and not (0 <= float(plain.min()) <= float(plain.max()) <= 1):
        raise ValueError("what is resized is not from 0 to 1, as after a normalisation; resize before that")
    levels = (plain.double() * 255).round().to(torch.uint8) if floats else plain

    def back(made: "Levels") -> Any:
        tensor = torch.from_numpy(np.ascontiguousarray(made.transpose(2, 0, 1)))
        values = (tensor.double() / 255).to(picture.dtype) if floats else tensor
        return values.as_subclass(type(picture))

    return np.ascontiguousarray(levels.permute(1, 2, 0).numpy()), back
