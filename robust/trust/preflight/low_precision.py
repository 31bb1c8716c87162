"""The answers have the digits of half precision: ties, and gradients that round to nothing."""

import torch

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import ModelProbe

FEW_VALUES = 64  # of fewer different numbers nothing can be said


@PREFLIGHT.register("low-precision")
def low_precision(look: ModelProbe) -> Finding | None:
    """Attacks in half precision are known to break fewer samples (auto-attack 51)."""
    logits = look.logits[look.sound]
    if len(set(logits.flatten().tolist())) < FEW_VALUES:
        return None
    for dtype in (torch.bfloat16, torch.float16):
        if torch.equal(logits.to(dtype).double(), logits):
            digits = torch.finfo(dtype).eps
            told = f"the answers have the digits of {str(dtype).removeprefix('torch.')}"
            return Finding("low-precision", "suspect", digits, told, "evaluate in float32, without autocast")
    return None
