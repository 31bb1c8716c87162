"""constant: the answers are no better than one and the same answer to every sample."""

import numpy as np

from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import PREFLIGHT, costs, for_labels
from robust.trust.model_probe import ModelProbe

HINT = "check that the model is trained, its weights are loaded, and its inputs are scaled as in training"


@PREFLIGHT.register("constant")
@for_labels("values", "bits", "map")
@costs(lambda probe: probe.count_passes("logits"))
def constant(probe: ModelProbe) -> Finding | None:
    """Check that values are nearer to the labels than the labels' median; labels, or pixels, not all answered alike.

    NotApplicableError for classes.
    """
    if probe.criterion.labels == "class":
        raise NotApplicableError("of classes it is guessing")
    answers, y = probe.logits.numpy()[probe.finite.numpy()], probe.samples.y[probe.finite.numpy()]
    if not len(y):
        return None
    if probe.criterion.labels == "map":
        return _find_single(answers.reshape(len(y), probe.classes, -1).argmax(1), y)
    if probe.criterion.labels == "bits":
        return _find_alike(answers > 0, y)
    y = y.astype(np.float64)
    scale = np.where(np.nanstd(y, axis=0) > 0, np.nanstd(y, axis=0), 1)
    own = float(np.nanmean(np.abs(answers - y) / scale))
    best = float(np.nanmean(np.abs(np.nanmedian(y, axis=0) - y) / scale))
    if own < best or not best:
        return None
    seen = f"the mean error is {own:.3g} of the labels' deviation, and {best:.3g} of one constant answer, their median"
    return Finding("constant", "broken", own / best, f"{seen}; expected less", HINT)


def _find_single(answered: np.ndarray, y: np.ndarray) -> Finding | None:
    """Return a finding if every pixel is answered as the same class, and the labels have several."""
    if (answered != answered.flat[0]).any() or len(np.unique(y[y >= 0])) < 2:
        return None
    seen = f"every pixel of every sample is answered as class {answered.flat[0]}; expected several"
    return Finding("constant", "broken", None, seen, HINT)


def _find_alike(on: np.ndarray, y: np.ndarray) -> Finding | None:
    """Return a finding if every sample gets the same labels, and they are not all of one kind."""
    if (on != on[0]).any() or (y == y[0]).all():
        return None
    named = ", ".join(map(str, np.flatnonzero(on[0])[:8])) or "none"
    return Finding("constant", "broken", None, f"every sample gets the same labels ({named}); expected several", HINT)
