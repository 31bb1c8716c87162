"""The clean accuracies of a network before and after `robust compress`, on the same test samples."""

from dataclasses import replace

import torch
from torch import nn

from robust.commands.compress_order import CompressOrder
from robust.data.dataset import TooFewError
from robust.evaluation.measure import measure_clean
from robust.models.compressed import CARD
from robust.models.format import Terms
from robust.models.load import load
from robust.models.spec import ModelSpec

SAMPLES = 1000  # as many as pytest draws, by the same seed


def describe_clean(order: CompressOrder, whole: nn.Module, terms: Terms) -> str:
    """Return the clean accuracy of the folder that was written, and of the float network `whole`; or why it has none.

    The folder is loaded as pytest loads it.
    """
    try:
        try:
            samples = order.dataset.load("test", SAMPLES, order.seed)
        except TooFewError:
            samples = order.dataset.load("test")
        permissions = replace(order.permissions, code=(*order.permissions.code, str(order.out / CARD)))
        terms = replace(terms, permissions=permissions, inputs=torch.from_numpy(samples.x[:2]))
        packed = load(ModelSpec.parse(str(order.out), order.folder), None, order.folder, terms)
        shares = [100 * measure_clean(module, samples).correct.mean() for module in (packed.module, whole)]
    except (ValueError, LookupError) as error:
        return f"not measured: {error.args[0]}"
    return f"{shares[0]:.1f} % of {len(samples):,} test samples, the float network {shares[1]:.1f} %"
