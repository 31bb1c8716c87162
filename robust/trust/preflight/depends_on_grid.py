"""depends-on-grid: a change far below one level of the data changes the answers.

Samples lie on a grid of levels, and adversarial inputs do not: a model that tells them apart answers attacks otherwise.
"""

import torch

from robust.models.traits import only_answers
from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import MIN_RANGE, ModelProbe, measure_spread
from robust.trust.pass_share import GRADIENT_PASSES

STEPS = (1e-6, 1e-3)  # of the inputs' range: rounding, and a quarter of a level of 8 bits
MAX_CHANGE = 0.05  # of the logits' range, of the median sample; on sound networks the longer step makes 0.01
BESIDE = 8  # samples at which gradients are compared
MAX_LOST = 0.5  # of the elements of a gradient, of the median sample: those that the longer step makes 0
HINT = "let forward not look whether its inputs lie on a grid; if it rounds them, evaluate on rounded inputs"


@PREFLIGHT.register("depends-on-grid")
@any_criterion
@costs(
    lambda probe: (
        probe.count_passes("noise", "logits", "gradients")
        + len(STEPS) * probe.n_small
        + GRADIENT_PASSES * min(BESIDE, probe.n_small)
    )
)
def depends_on_grid(probe: ModelProbe) -> Finding | None:
    """Check that inputs a hair beside the samples get their answers, as good as, and a gradient if they do."""
    if not probe.deterministic:
        return None
    x = probe.first
    before = probe.small
    spread = measure_spread(before).nan_to_num(MIN_RANGE)
    for step in STEPS:
        changes = (probe.ask(probe.move(x, step)) - before).abs().amax(1) / spread
        change = float(changes.nan_to_num(torch.inf).median())
        if change > MAX_CHANGE:
            seen = f"a change of {step:g} of the inputs' range changes the logits by {change:.2g} times their range"
            message = f"{seen} for half of the samples; expected at most {MAX_CHANGE:g}"
            return Finding("depends-on-grid", "broken", change, message, HINT)
    return _find_lost_gradient(probe)


def _find_lost_gradient(probe: ModelProbe) -> Finding | None:
    """Check that the longer step leaves the gradient: a model may round what is between the levels, and that alone."""
    if only_answers(probe.module):
        return None
    if probe.gradients.blocked:  # another check says so
        return None
    before = probe.gradients.margin[:BESIDE].flatten(1)
    try:
        after = probe.measure_gradient(probe.move(probe.first[:BESIDE], STEPS[-1])).flatten(1)
    except ValueError:  # a gradient reaches no input off the grid
        after = torch.zeros_like(before)
    lost = float((((before != 0) & (after == 0)).sum(1) / (before != 0).sum(1).clamp_min(1)).median())
    if lost <= MAX_LOST:
        return None
    seen = f"a change of {STEPS[-1]:g} of the inputs' range makes {100 * lost:.0f} % of a gradient's elements 0"
    message = f"{seen} for half of the samples; expected at most {100 * MAX_LOST:g} %"
    return Finding("depends-on-grid", "broken", lost, message, HINT)
