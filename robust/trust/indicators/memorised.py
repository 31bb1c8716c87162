"""memorised: the margin falls off a cliff at one distance from the samples, or is flat there: the model knows them.

A table of the samples, and of all inputs within some radius, answers them with their labels. One that pulls inputs to
the samples has no edge, but a gradient that is small at exactly these.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from robust.attacks.task import NoGradientError, Task
from robust.attacks.threats.product import Product
from robust.models.traits import only_answers
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, costs
from robust.trust.indicators._shared import require_deterministic
from robust.trust.pass_share import GRADIENT_PASSES
from robust.trust.significance import is_significant
from robust.trust.slopes import reach, weigh

MAX_SAMPLES, MAX_FLAT = 16, 8  # whose edges, and whose gradients, are looked for
# Of the ball. A margin that changes in proportion to the radius changes by 13 % from one to the next.
RADII = (0.0, 0.001, 0.01, 0.1, *(0.25 * 1.15**k for k in range(19)))
# Those at which the margin is measured first: where it changes by no more than that from one to the next, no cliff is
# between them.
COARSE, MAX_COARSE = (0, 4, 9, 12, 15, 17, 19, 20, 21, 22), 0.45
CLIFF = 0.5  # of the whole change of a margin, between two neighbouring radii
STEEPER = 3.0  # times the change between the radii before and after: a margin may also change ever faster
MAX_SHARE = 0.1  # of the samples that have their cliff between the same two
STEP = 0.25  # of the ball, to where gradients are compared with those at the samples
MAX_GROWTH = 5.0  # of the median gradient on the way; sound networks have at most 1.1
HINT = "the model may hold the samples that it is measured on; evaluate on samples that it has never seen"


@INDICATORS.register("memorised")
@costs(lambda probe: len(COARSE) * _count(probe, MAX_SAMPLES) + 2 * GRADIENT_PASSES * _count(probe, MAX_FLAT))
def memorised(probe: AttackProbe) -> Finding | None:
    """Check that margins change gradually along rays from the samples, or at a distance of each sample's own.

    A network is nearly linear over a small step. A forest, or a model that rounds, has its edges between the levels of
    the data, and so around inputs on these levels that are no samples. NotApplicableError for a union, whose edge has
    no one size.
    """
    require_deterministic(probe)
    few = probe.take_few(MAX_SAMPLES)
    return _find_edge(few) or _find_flat(few.take_few(MAX_FLAT))


def _count(probe: AttackProbe, most: int) -> int:
    return int(probe.take_few(most).correct.sum())


def _find_edge(few: AttackProbe) -> Finding | None:
    counts, n = _count_cliffs(few)
    k = int(counts.argmax())
    count = int(counts[k])
    if not is_significant(count, n, MAX_SHARE):
        return None
    others, n_others = _count_cliffs(_cross(few))
    if others[k] / n_others > count / n / 2:  # the model rounds its inputs, or splits between the levels of the data
        return None
    seen = (
        f"from {RADII[k]:.2g} to {RADII[k + 1]:.2g} eps from the samples the margins of {count} of {n} change by more"
    )
    message = f"{seen} than {100 * CLIFF:g} % of what they change up to {RADII[-1]:.2g} eps; expected few"
    return Finding("memorised", "broken", count / n, message, HINT)


def _find_flat(few: AttackProbe) -> Finding | None:
    """Check that gradients at the samples are no smaller than beside them, unless other inputs have it so, too."""
    if only_answers(few.module) or not few.correct.any():
        return None
    try:
        growth = _measure_growth(few)
        if growth <= MAX_GROWTH or _measure_growth(_cross(few)) > MAX_GROWTH:
            return None
    except NoGradientError:
        return None
    seen = f"{STEP:g} eps from the samples the gradient is {growth:.2g} times as large as at the samples"
    message = f"{seen}, for half of them; expected at most {MAX_GROWTH:g}"
    return Finding("memorised", "broken", growth, message, HINT)


def _measure_growth(probe: AttackProbe) -> float:
    """Measure by how much the gradient of the margin grows on a way from the samples; the median."""
    return float(torch.cat(probe.run_on_batches(_compare_gradients, probe.correct)).median())


def _compare_gradients(task: Task) -> Tensor:
    step = STEP * reach(task.threat, task.x) * task.rng.normal(task.x).sign() * weigh(task.threat, task.x)
    inputs = (task.x, task.threat.clip(task.x + step))
    here, beside = (task.ascent(x, "margin")[2].double().flatten(1).norm(dim=1) for x in inputs)
    growth: Tensor = beside / here.clamp_min(1e-30)
    return growth.cpu()


def _count_cliffs(probe: AttackProbe) -> tuple[Tensor, int]:
    """Count the samples with a cliff between each two radii, (k,), and all that are correct."""
    parts = probe.run_on_batches(_find_cliffs, probe.correct)
    cliffs = torch.cat([torch.zeros(0, len(RADII) - 2, dtype=torch.bool), *parts])
    return cliffs.sum(0), len(cliffs)


def _cross(probe: AttackProbe) -> AttackProbe:
    """Cross each sample with the next: half of its values. So the levels are those of the data, and it is new.

    Its label is the model's answer.
    """
    x = probe.samples.x[:]
    own = np.random.default_rng(probe.seed).random(x.shape) < 0.5
    if isinstance(probe.threat, Product):
        own |= ~probe.threat.moving.numpy()
    samples = replace(probe.samples, x=np.where(own, x, np.roll(x, 1, axis=0)))
    labels = probe.answer_samples(samples).argmax(1).numpy()
    return replace(probe, samples=replace(samples, y=labels), correct=np.ones(len(labels), bool))


def _find_cliffs(task: Task) -> Tensor:
    """Mark where the margin falls off a cliff between one radius and the next along a ray, (n, k) bool."""
    cliffs = torch.zeros(len(task.x), len(RADII) - 2, dtype=torch.bool)
    steep = (_measure_changes(task, [RADII[k] for k in COARSE]) > MAX_COARSE).any(1)
    if steep.any():
        changes = _measure_changes(task.only(steep), RADII)
        before = torch.cat((torch.zeros_like(changes[:, :1]), changes[:, :-2]), 1)
        around = torch.maximum(before, changes[:, 1:])
        cliffs[steep.cpu()] = ((changes[:, :-1] > CLIFF) & (changes[:, :-1] > STEEPER * around)).cpu()
    return cliffs


def _measure_changes(task: Task, radii: Sequence[float]) -> Tensor:
    """Measure the margin along a random ray; return its changes, of the whole change, (n, len(radii) - 1)."""
    signs = task.rng.normal(task.x).sign() * weigh(task.threat, task.x)
    step = reach(task.threat, task.x)
    inputs = [task.threat.clip(task.x + radius * step * signs) for radius in radii]
    margins = torch.stack([task.criterion.margin(task.logits(x), task.y) for x in inputs], 1).nan_to_num(1e9)
    spread = (margins.amax(1) - margins.amin(1)).clamp_min(1e-30)
    return margins.diff(dim=1).abs() / spread[:, None]
