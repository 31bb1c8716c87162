"""saturated: the logits are so far apart that the cross-entropy has no gradient, although the margin has one."""

import torch

from robust.attacks.engine import rounds_of
from robust.attacks.factory import make
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import Spec
from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import PREFLIGHT, costs
from robust.trust.model_probe import ModelProbe

# Of the samples that are classified correctly: above the first suspect, above the second broken.
MAX_SHARE, MAX_SUSPECT_SHARE = 0.01, 0.1


@PREFLIGHT.register("saturated")
@costs(lambda probe: probe.count_passes("logits", "gradients"))
def saturated(probe: ModelProbe) -> Finding | None:
    """Check that the softmax does not round to exactly 0 and 1, as in defensive distillation (1608.04644).

    NotApplicableError if no gradient reaches the inputs: see no-gradient; or if no attack of the run follows the
    cross-entropy, whose gradient is then nobody's concern.
    """
    if probe.gradients.blocked or not (probe.attacks is None or any(map(follows_cross_entropy, probe.attacks))):
        raise NotApplicableError("no attack of the row follows the gradient of the cross-entropy")
    margin, ce = probe.gradients.margin_size, probe.gradients.ce_size
    correct = torch.from_numpy(probe.correct) & probe.finite
    valid = correct[: len(margin)] & (margin > 0)
    if not bool(valid.any()):
        return None
    share = float((ce[valid] == 0).sum() / valid.sum())
    if share <= MAX_SHARE:
        return None
    seen = f"the gradient of the cross-entropy is 0 at {100 * share:.1f} % of the correctly classified samples"
    message = f"{seen}; expected at most {100 * MAX_SHARE:g} %"
    hint = "divide the logits by a constant, or attack with loss=margin, loss=dlr or loss=sice"
    return Finding("saturated", "broken" if share > MAX_SUSPECT_SHARE else "suspect", share, message, hint)


def follows_cross_entropy(attack: str) -> bool:
    """Whether an attack, given by its spec, follows the gradient of the cross-entropy, as far as can be told."""
    spec = Spec.parse(attack).without("surrogate")
    if (loss := dict(spec.options).get("loss")) is not None:
        return loss == "ce"
    (inner, _), *_ = rounds_of(make(spec))
    while hasattr(inner, "attack"):  # a combination wraps another attack
        inner = inner.attack
    foreign = not type(inner).__module__.startswith("robust.attacks.zoo.")
    return spec.name in ATTACKS.names() and (foreign or getattr(inner, "loss", "") == "ce")
