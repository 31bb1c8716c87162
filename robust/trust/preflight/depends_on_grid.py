"""depends-on-grid: a change far below one level of the data changes the answers.

Samples lie on a grid of levels, and adversarial inputs do not: a model that tells them apart answers attacks otherwise.
"""

import torch

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, costs
from robust.trust.model_probe import MIN_RANGE, SMALL_BATCH, ModelProbe

STEPS = (1e-6, 1e-3)  # of the inputs' range: rounding, and a quarter of a level of 8 bits
MAX_CHANGE = 0.05  # of the logits' range, of the median sample; on sound networks the longer step makes 0.01


@PREFLIGHT.register("depends-on-grid")
@costs(lambda probe: probe.count_passes("noise") + len(STEPS) * probe.n_small)
def depends_on_grid(probe: ModelProbe) -> Finding | None:
    """Check that inputs a hair beside the samples get the answers of the samples, as good as."""
    if not probe.deterministic:
        return None
    x = probe.x[:SMALL_BATCH]
    before = probe.small
    spread = (before.amax(1) - before.amin(1)).nan_to_num(0.0).clamp_min(MIN_RANGE)
    for step in STEPS:
        changes = (probe.ask(probe.move(x, step)) - before).abs().amax(1) / spread
        change = float(changes.nan_to_num(torch.inf).median())
        if change > MAX_CHANGE:
            seen = f"a change of {step:g} of the inputs' range changes the logits by {change:.2g} times their range"
            hint = (
                "let forward not look whether its inputs lie on a grid; if it rounds them, evaluate on rounded inputs"
            )
            message = f"{seen} for half of the samples; expected at most {MAX_CHANGE:g}"
            return Finding("depends-on-grid", "broken", change, message, hint)
    return None
