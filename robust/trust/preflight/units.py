"""units: the answers are in other units than the labels, as those of a regressor that was trained on scaled labels."""

import numpy as np

from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import PREFLIGHT, costs, for_labels
from robust.trust.model_probe import ModelProbe

MIN_GAIN = 2.0  # by which other units divide the median error; a model that shrinks its answers gains far less
MIN_CORRELATION = 0.3  # of answers and labels
MIN_SAMPLES = 8


@PREFLIGHT.register("units")
@for_labels("values")
@costs(lambda probe: probe.count_passes("logits"))
def units(probe: ModelProbe) -> Finding | None:
    """Check of each value that no other scale and origin of the answers fits the labels much better.

    NotApplicableError for other labels.
    """
    if probe.criterion.labels != "values":
        raise NotApplicableError("there are no values")
    answers = probe.logits.numpy()
    for column in range(answers.shape[1]):
        known = probe.finite.numpy() & ~np.isnan(probe.samples.y[:, column])
        o, y = answers[known, column], probe.samples.y[known, column].astype(np.float64)
        if len(y) < MIN_SAMPLES or not o.std() or not y.std():
            continue
        slope, origin = np.polyfit(o, y, 1)
        now, then = np.median(np.abs(y - o)), np.median(np.abs(y - slope * o - origin))
        if now <= MIN_GAIN * then or abs(np.corrcoef(o, y)[0, 1]) < MIN_CORRELATION:
            continue
        of = f" of value {column}" * (answers.shape[1] > 1)
        seen = f"the answers{of} go from {o.min():.4g} to {o.max():.4g}, the labels from {y.min():.4g} to {y.max():.4g}"
        fit = f"times {slope:.4g} plus {origin:.4g} half of them would be off by less than {then:.4g}, not {now:.4g}"
        hint = "let the model answer in the labels' units, or scale the labels as in training"
        return Finding("units", "broken", float(now / max(then, 1e-12)), f"{seen}; {fit}", hint)
    return None
