"""depends-on-grad: the answers to inputs that ask for a gradient are others than those to inputs that ask for none.

An attack then follows another model than the one that is deployed.
"""

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import ModelProbe, measure_change

MAX_CHANGE = 0.03  # of the logits' range; kernels for inference round otherwise, by up to 4e-3 in bfloat16


@PREFLIGHT.register("depends-on-grad")
@any_criterion
@costs(lambda probe: probe.count_passes("noise", "logits", "gradients"))
def depends_on_grad(probe: ModelProbe) -> Finding | None:
    """Check that a model does not look whether its caller wants a gradient."""
    if not probe.deterministic:  # random logits differ anyway
        return None
    change = measure_change(probe.small, probe.gradients.logits[: probe.n_small].double())
    if change <= MAX_CHANGE:
        return None
    seen = f"logits differ by up to {change:.2g} times their range between inputs with and without requires_grad"
    hint = "let forward ask for neither requires_grad nor torch.is_grad_enabled"
    return Finding("depends-on-grad", "broken", change, f"{seen}; expected at most {MAX_CHANGE:g}", hint)
