"""A sample is answered differently in other company: then an attack's steps, and the second look, see other models."""

import numpy as np

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import SOME, ModelProbe, apart
from robust.user_code import describe_user_error

# Of the logits' range. In float32 other kernels for another size differ by 4e-7, TF32 and bfloat16 round each number by
# up to 4e-3; batch norm that takes its batch's statistics differs by 0.2 and more.
MOST = 0.03
ALONE = 4  # samples that are shown alone


@PREFLIGHT.register("depends-on-batch")
def depends_on_batch(look: ModelProbe) -> Finding | None:
    """In small batches of like samples, ordered by their label, and alone (as Carlini found in TRADES, its issue 3)."""
    if not look.steady:  # what is drawn differs in any company
        return None
    order = np.argsort(look.samples.y, kind="stable")
    x, logits = look.x[order], look.logits[order]
    hint = "let an answer depend on its sample alone"
    try:
        company = apart(logits, look.ask(x, size=SOME))
        alone = apart(logits[:ALONE], look.ask(x[:ALONE], size=1))
    except Exception as error:
        why = error.args[0] if isinstance(error, ValueError) else describe_user_error(error)
        told = f"the model does not take a sample alone, or in a small batch: {why}"
        return Finding("depends-on-batch", "broken", None, told, hint)
    most = max(company, alone)
    if most <= MOST:
        return None
    told = f"logits of the same inputs in other batches differ by up to {most:.2g} times their range"
    return Finding("depends-on-batch", "broken", most, told, hint)
