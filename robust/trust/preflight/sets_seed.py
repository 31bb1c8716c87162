"""sets-seed: the answers depend on random numbers, and forward itself sees to it that they are the same each time."""

from dataclasses import replace

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import MAX_NOISE, ModelProbe, measure_change
from robust.trust.redrawn import Redrawn


@PREFLIGHT.register("sets-seed")
@any_criterion
@costs(lambda probe: probe.count_passes("noise") + probe.n_small)
def sets_seed(probe: ModelProbe) -> Finding | None:
    """Check that a model whose answers repeat does not owe it to a seed of its own (1802.00420 on random defences).

    An attack on one draw of the numbers tells nothing of the others; if the seed depends on the input, each step of an
    attack meets another model.
    """
    if not probe.deterministic:
        return None
    redrawn = replace(probe, module=Redrawn(probe.module))
    change = measure_change(probe.small, redrawn.ask(probe.first))
    if change <= MAX_NOISE:
        return None
    seen = f"with other random numbers the logits differ by up to {change:.2g} times their range"
    message = f"{seen}, and forward draws the same ones each time; expected at most {MAX_NOISE:g}"
    hint = "let forward set no seed and hold no generator, and attack the mean over draws, as pgd:eot=20 does"
    return Finding("sets-seed", "suspect", change, message, hint)
