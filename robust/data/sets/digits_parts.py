"""digits-parts: the scans of digits as two inputs, the upper half as an image and the ink of the lower as a table."""

from typing import TYPE_CHECKING

from robust.attacks.layout import InputPart, Layout
from robust.data.dataset import Split, dataset
from robust.data.remarks import Remarks
from robust.data.sets import digits
from robust.data.several import SeveralInputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LAYOUT = Layout((InputPart("image", (1, 4, 8)), InputPart("meta", (12,))))


@dataset("digits-parts", threat="image=linf:0.1;meta=linf:0.05", classes=10, shape=(44,), layout=LAYOUT)
def read(split: Split) -> "tuple[SeveralInputs, NDArray[np.int64]]":
    """Read a split: the image, (1, 4, 8), and the mean ink of each row and each column of the lower half, (12,)."""
    import numpy as np

    x, y = digits.read(split)
    upper, lower = x[:, :, :4], x[:, 0, 4:]
    meta = np.concatenate([lower.mean(2), lower.mean(1)], 1)
    return SeveralInputs(
        lambda rows: {"image": upper[rows], "meta": meta[rows]}, len(y), True, Remarks(), turn=False
    ), y
