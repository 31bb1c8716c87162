"""Users' inputs as float32: pixels divided by 255, images turned to channels first. Each change is noted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from robust.data.convert import to_array
from robust.data.remarks import Remarks
from robust.data.resized import Change

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from robust.data.items import Items

CHANNELS = (1, 3, 4)  # of images: grey, colours, colours and a fourth
EXACT = 2**24  # whole numbers up to here are exact in float32


class Source(Protocol):
    """Stored inputs, read row by row."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: "NDArray[np.int64]", /) -> "NDArray[Any]": ...


class UserInputs:
    """Inputs that become float32 only when they are read."""

    def __init__(self, source: Any, remarks: Remarks | None = None, *, turn: bool = True) -> None:
        """Wrap a source, or anything that `to_array` takes; ValueError if it is no array of numbers.

        With `turn`, images whose last axis is the channels, (n, height, width, channels), become (n, channels, ...).
        """
        import numpy as np

        columns = getattr(source, "columns", None) if hasattr(source, "to_numpy") else None
        self._source: Source = source if hasattr(source, "read_rows") else to_array(source, "inputs")
        self._remarks = remarks or Remarks()
        self._turn = turn
        if columns is not None:
            self._remarks.features = tuple(map(str, columns))
        if isinstance(self._source, np.ndarray):
            self._check(self._source)

    def __len__(self) -> int:
        return len(self._source)

    @property
    def array(self) -> bool:
        """Whether they are stored as an array, and not read item by item."""
        import numpy as np

        return isinstance(self._source, np.ndarray)

    def __getitem__(self, rows: "NDArray[np.int64]") -> "NDArray[np.float32]":
        import numpy as np

        stored = self._source[rows]
        self._check(stored)
        return np.ascontiguousarray(self._turned(self._scaled(stored)))

    @property
    def resize(self) -> str:
        """Name the steps from a Dataset's own resize on; "" if none is seen."""
        return str(getattr(self._source, "resize", ""))

    def read_changed(
        self, rows: "NDArray[np.int64]", changes: Sequence[Change]
    ) -> "tuple[NDArray[np.float32], list[tuple[int, int]]]":
        """Return inputs, (n, *shape), each of whose pictures was changed before the resize, and their sizes there."""
        import numpy as np

        stored, sizes = cast("Items", self._source).read_changed(rows, changes)
        return UserInputs(stored, self._remarks, turn=self._turn)[np.arange(len(stored))], sizes

    def _check(self, stored: "NDArray[Any]") -> None:
        if stored.ndim < 2 or stored.dtype.kind not in "biuf":
            raise ValueError(
                f"the inputs are {stored.dtype} of shape {[*stored.shape]}, expected (n, *features) of "
                "numbers: floats, or pixels as uint8"
            )

    def _scaled(self, stored: "NDArray[Any]") -> "NDArray[np.float32]":
        import numpy as np

        if stored.dtype == np.uint8:
            self._remarks.note("pixels, uint8, are divided by 255")
            return stored.astype(np.float32) / np.float32(255)
        if stored.dtype.kind in "iu" and stored.size and max(-int(stored.min()), int(stored.max())) > EXACT:
            raise ValueError(f"the inputs are {stored.dtype} above {EXACT}, which float32 cannot hold; scale them")
        return stored.astype(np.float32)

    def _turned(self, inputs: "NDArray[np.float32]") -> "NDArray[np.float32]":
        shape = inputs.shape[1:]
        last = len(shape) == 3 and shape[2] in CHANNELS and min(shape[:2]) > max(CHANNELS)
        if not (self._turn and last):
            return inputs
        turned = [shape[2], *shape[:2]]
        self._remarks.note(f"images of shape {[*shape]} are turned to {turned}; turn=false behind the data leaves them")
        return inputs.transpose(0, 3, 1, 2)
