"""depends-on-batch: the answer to a sample depends on the other samples of its batch.

Then the steps of an attack and the verification of its result see different models.
"""

import numpy as np

from robust.models.judged import batch_change
from robust.models.traits import describe_by_batch
from robust.records.trust import Finding, TimeUpError
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import ModelProbe, measure_change
from robust.user_code import describe_user_error

# Of the logits' range. In float32 kernels for another size of batch differ by 4e-7, TF32 and bfloat16 round each number
# by up to 4e-3; batch norm with the statistics of its batch differs by 0.2 and more.
MAX_CHANGE = 0.03
SMALL_BATCHES = 2  # so many times the samples of the small batch are shown in other batches
SINGLE_SAMPLES = 4  # that are shown alone


@PREFLIGHT.register("depends-on-batch")
@any_criterion
@costs(lambda probe: probe.count_passes("noise", "logits") + SMALL_BATCHES * probe.n_small + 2 * SINGLE_SAMPLES)
def depends_on_batch(probe: ModelProbe) -> Finding | None:
    """Check that small batches of one label, pairs, and single samples, get the same logits (Carlini, TRADES #3)."""
    if not probe.deterministic:  # random logits differ in any batch
        return None
    order = np.lexsort(probe.samples.y.reshape(len(probe.samples), -1).T)[: SMALL_BATCHES * probe.n_small]
    x, logits = probe.x[order], probe.logits[order]
    try:
        in_batches = measure_change(logits, probe.ask(x, size=max(1, probe.n_small // 2)))
        few = x[:SINGLE_SAMPLES]
        alone = max(measure_change(logits[:SINGLE_SAMPLES], probe.ask(few, size=size)) for size in (1, 2))
    except TimeUpError:
        raise
    except Exception as error:
        why = error.args[0] if isinstance(error, ValueError) else describe_user_error(error)
        message = f"the model does not answer a sample alone, or in a small batch: {why}"
        return Finding("depends-on-batch", "broken", None, message, "accept batches of every size, also of one")
    change = max(in_batches, alone)
    if by_batch := batch_change(probe.module):
        hint = "in other batches a few samples may be answered otherwise"
        return Finding("depends-on-batch", "trusted", by_batch, describe_by_batch(by_batch), hint)
    if change <= MAX_CHANGE:
        return None
    seen = f"logits of the same inputs in other batches differ by up to {change:.2g} times their range"
    message, hint = (
        f"{seen}; expected at most {MAX_CHANGE:g}",
        "make the answer to a sample depend on that sample alone",
    )
    return Finding("depends-on-batch", "broken", change, message, hint)
