"""Draw rows by a seed, the same on every machine. No numpy at import, since collecting tests imports this."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def shuffled_rows(n: int, seed: int) -> "NDArray[np.int64]":
    """Return the numbers below `n`, (n,), in an order that only the seed, of any size, determines."""
    import numpy as np

    return np.random.RandomState(seed % 2**32).permutation(n)  # it takes no larger seed


def draw_rows(n: int, most: int | None, seed: int) -> "NDArray[np.int64]":
    """Return at most `most` of the numbers below `n`, ascending, drawn by the seed without replacement; None: all."""
    import numpy as np

    return np.arange(n) if most is None or most >= n else np.sort(shuffled_rows(n, seed)[:most])
