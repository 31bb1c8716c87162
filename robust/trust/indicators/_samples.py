"""Helpers of the checks of samples: the other samples of the same data, and figures on a part of the samples."""

import numpy as np
from numpy.typing import NDArray

from robust.data.dataset import Samples, Split, TooFewError
from robust.flags import Flags
from robust.records.trust import NotApplicableError
from robust.trust.attack_probe import AttackProbe

MIN_OTHERS, MAX_OTHERS = 32, 128


def load_others(probe: AttackProbe) -> tuple[str, Samples]:
    """Load samples that were not measured: of the same split if it has enough, else of the training split.

    Only as many are read as are needed, and as the budget allows. Return where they are from, too. NotApplicableError
    if there are none.
    """
    if probe.dataset is None:
        raise NotApplicableError("the data set is not known")
    most = max(MIN_OTHERS, probe.budget.few(MAX_OTHERS))
    drawn = _draw(probe, "test", most + len(probe.measured))
    rest = drawn.take(np.flatnonzero(~np.isin(drawn.index, probe.measured))[:most])
    if len(rest) >= MIN_OTHERS:
        return "the rest of their split", rest
    train = _draw(probe, "train", most)
    if len(train) < MIN_OTHERS:
        raise NotApplicableError("the data has too few other samples")
    return "the training split", train


def _draw(probe: AttackProbe, split: Split, most: int) -> Samples:
    """Draw at most so many samples of a split; NotApplicableError if it cannot be read.

    Where classes are attacked alone, the samples of a training split are of these, too.
    """
    assert probe.dataset is not None
    attacked = probe.dataset.attacked if split == "train" else ()
    with probe.dataset.remarks.unchanged():
        try:
            drawn = probe.dataset.load(split, None if attacked else most, probe.seed + 1)
        except TooFewError:
            drawn = probe.dataset.load(split)
        except Exception as error:  # a function of the user's may know one split alone
            raise NotApplicableError(f"the {split} split cannot be read") from error
    return drawn.take(np.flatnonzero(np.isin(drawn.y, attacked))[:most]) if attacked else drawn


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
