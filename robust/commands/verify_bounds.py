"""Compute the bounds of a row's certified samples again, from the weights and the data alone.

Nothing of the run that certified them is used, but the method that it names. A sample near 0 is bounded alone, too: the
slack for rounding is that of a batch, and the batches of the run were others.
"""

import numpy as np
import torch
from torch import nn

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.threats.threat import Threat
from robust.certification.certify import Certifier, certify
from robust.certification.slack import measure_slack
from robust.certification.words import METHODS
from robust.data.dataset import Samples
from robust.flags import Flags
from robust.progress import open_bar
from robust.records.certificate import Certificate


def certify_again(module: nn.Module, samples: Samples, threat: Threat, certificate: Certificate) -> tuple[Flags, Flags]:
    """Return which of the certified samples, (m,), are certified again, and of which others rounding decides.

    Raise ValueError, in one line, if the model, the threat model or the method has no bounds here.
    """
    if certificate.method not in METHODS:
        raise ValueError(f"the method {certificate.method!r} is none of {', '.join(METHODS)}")
    rows = np.flatnonzero(certificate.certified)
    certifier = Certifier.of(module, torch.tensor(samples.x[:1]), threat, read_criterion(samples.criterion))
    certified = _certify(certifier, samples.take(rows), certificate.method)
    near = np.zeros_like(certified)
    for k in np.flatnonzero(~certified):
        alone = samples.take(rows[k : k + 1])
        certified[k] = _certify(certifier, alone, certificate.method)[0]
        near[k] = not certified[k] and certificate.margin[rows[k]] <= _slack(certifier, alone)
    return certified, near


def _certify(certifier: Certifier, samples: Samples, method: str) -> Flags:
    with open_bar(f"bounds of {len(samples)} samples") as bar:

        def watch(each: str, done: int, of: int) -> None:
            bar.show(f"{each}, {of - done} left", done / of)

        return certify(certifier, samples, np.ones(len(samples), bool), method, watch=watch).certified


def _slack(certifier: Certifier, samples: Samples) -> float:
    """Return what is taken off the margins for rounding."""
    x = torch.tensor(samples.x[:])
    slacks = [measure_slack(certifier.module, certifier.graph, x, part) for part in certifier.parts]
    return float(torch.cat(slacks).amax())
