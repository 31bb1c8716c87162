"""low-precision: the answers have the digits of half precision, so there are ties and gradients that round to 0."""

import torch

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import ModelProbe

MIN_VALUES = 64  # different numbers: fewer show nothing about the precision


@PREFLIGHT.register("low-precision")
@any_criterion
@costs(lambda probe: probe.count_passes("logits"))
def low_precision(probe: ModelProbe) -> Finding | None:
    """Note that the logits have the digits of half precision, in which attacks are weaker (AutoAttack #51)."""
    logits = probe.logits[probe.finite]
    if len(set(logits.flatten().tolist())) < MIN_VALUES:
        return None
    for dtype in (torch.bfloat16, torch.float16):
        if torch.equal(logits.to(dtype).double(), logits):
            name, digits = str(dtype).removeprefix("torch."), torch.finfo(dtype).eps
            message = f"the answers have the digits of {name}; expected those of float32"
            return Finding("low-precision", "trusted", digits, message, "evaluate in float32, without autocast")
    return None
