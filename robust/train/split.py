"""What is learnt from, and what epochs are selected by."""

import hashlib
from collections.abc import Iterator

from robust.data.dataset import Samples
from robust.data.lazy_inputs import iter_parts

# A validation split large enough to tell epochs apart, and no larger: every epoch is attacked on it.
VALIDATION_SHARE, VALIDATION_MOST = 0.15, 1000

# Of the selection samples that may also be test samples. Published data sets hold a few twice; more is a mistake.
MOST_SHARED = 0.01


def split_off_validation(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    """(to learn from, to select by): carved from the training split, never from the test split."""
    n = min(max(int(len(samples) * VALIDATION_SHARE), 1), VALIDATION_MOST)
    validation, learn = samples.draw(n, seed)
    return learn, validation


def refuse_shared(selection: Samples, test: Samples) -> None:
    """ValueError where the best epoch was selected by samples that it is then tested on: their inputs are the same."""
    tested = {*_digests(test)}
    shared = sum(digest in tested for digest in _digests(selection))
    if shared > MOST_SHARED * len(selection):
        raise ValueError(
            f"{shared} of the {len(selection)} samples that selected the best epoch are among the {len(test)} test "
            "samples, so the figures would flatter; give a training split that shares nothing with the test split"
        )


def _digests(samples: Samples) -> Iterator[bytes]:
    """Of each input: large ones would not fit into the memory."""
    return (hashlib.sha256(x.tobytes()).digest() for part in iter_parts(samples.x) for x in part)
