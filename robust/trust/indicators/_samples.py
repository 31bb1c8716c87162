"""Helpers of the checks of samples: the other samples of the same data, and figures on a part of the samples."""

import numpy as np
from numpy.typing import NDArray

from robust.data.dataset import Samples
from robust.flags import Flags
from robust.records.trust import NotApplicableError
from robust.trust.attack_probe import AttackProbe

MIN_OTHERS, MAX_OTHERS = 32, 128


def load_others(probe: AttackProbe) -> tuple[str, Samples]:
    """Load samples that were not measured: of the same split if it has enough, else of the training split.

    Return where they are from, too. NotApplicableError if there are none.
    """
    if probe.dataset is None:
        raise NotApplicableError("the data set is not known")
    for name, split in (("the rest of their split", "test"), ("the training split", "train")):
        try:
            whole = probe.dataset.load("train" if split == "train" else "test")
        except Exception:  # a function of the user's may know one split alone
            continue
        rows = np.arange(len(whole)) if split == "train" else np.setdiff1d(whole.index, probe.measured)
        if len(rows) >= MIN_OTHERS:
            chosen = np.sort(np.random.default_rng(probe.seed).permutation(rows)[:MAX_OTHERS])
            return name, whole.take(chosen)
    raise NotApplicableError("the data has no other samples")


def describe_rest(probe: AttackProbe, keep: Flags, what: str) -> str:
    """Describe the robust accuracy of the samples in `keep`, (m,), in words: "on the 20 distinct ones it is 55.0 %"."""
    n = int(keep.sum())
    if not n:
        return f"there are no {what}"
    return f"on the {n} {what} robust accuracy is {100 * float(probe.robust[keep].mean()):.1f} %"


def flatten(x: NDArray[np.float32], most: int = 4096) -> NDArray[np.float32]:
    """Return the inputs, (m, *shape), as rows of at most `most` of their features, spread evenly, (m, k)."""
    flat = x.reshape(len(x), -1)
    return flat[:, :: max(1, flat.shape[1] // most)]
