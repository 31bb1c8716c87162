"""The split of the training samples: those to learn from, and those that select the best epoch."""

import hashlib
from collections.abc import Iterator

from robust.data.dataset import Samples
from robust.data.lazy_inputs import iter_parts

# The validation split is large enough to compare epochs, and no larger, since every epoch is attacked on it.
VALIDATION_SHARE, MAX_VALIDATION = 0.15, 1000

# The share of the selection samples that may also be test samples: published data sets hold a few twice.
MAX_SHARED = 0.01


def split_off_validation(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    """Return (the samples to learn from, the samples to select by); `samples` are those of the training split."""
    n = min(max(int(len(samples) * VALIDATION_SHARE), 1), MAX_VALIDATION)
    validation, learn = samples.draw(n, seed)
    return learn, validation


def refuse_shared(selection: Samples, test: Samples) -> None:
    """Raise a ValueError if the best epoch was selected on samples that it is then tested on, by equal inputs."""
    tested = {*_digests(test)}
    shared = sum(digest in tested for digest in _digests(selection))
    if shared > MAX_SHARED * len(selection):
        raise ValueError(
            f"{shared} of the {len(selection)} samples that selected the best epoch are among the {len(test)} test "
            "samples, so the figures would flatter; give a training split that shares nothing with the test split"
        )


def _digests(samples: Samples) -> Iterator[bytes]:
    """Yield the SHA-256 of each input, since large inputs would not fit into memory."""
    return (hashlib.sha256(x.tobytes()).digest() for part in iter_parts(samples.x) for x in part)
