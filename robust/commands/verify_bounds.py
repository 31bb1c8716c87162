"""Compute the bounds of a row's certified samples again, from the weights and the data alone.

Nothing of the run that certified them is used, but the method that it names. A sample near 0 is bounded alone, too: the
slack for rounding is that of a batch, and the batches of the run were others.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.threats.threat import Threat
from robust.certification.certify import Certifier, bound_together, certify
from robust.certification.words import METHODS
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE
from robust.flags import Flags
from robust.progress import open_bar
from robust.records.certificate import Certificate
from robust.records.radii import Radii

ROUNDED = 1e-7  # relative: a planned eps that is proved stays itself in float32, which may be larger


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


def prove_again(module: nn.Module, samples: Samples, threat: Threat, radii: Radii) -> tuple[Flags, Flags]:
    """Return which of the certified radii, (m,), are proved again, and of which others rounding decides.

    Errors are those of `certify_again`.
    """
    if radii.method not in METHODS:
        raise ValueError(f"the method {radii.method!r} is none of {', '.join(METHODS)}")
    rows = np.flatnonzero(radii.radius)
    certifier = Certifier.of(module, torch.tensor(samples.x[:1]), threat, read_criterion(samples.criterion))
    radius = (1 - ROUNDED) * radii.radius[rows].astype(np.float64)
    proved, near = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    with open_bar(f"bounds within {len(rows)} radii") as bar:
        for method in METHODS[: METHODS.index(radii.method) + 1]:
            left = np.flatnonzero(~proved)
            for batch in np.split(left, range(certifier.batch(method), len(left), certifier.batch(method))):
                bar.show(f"{method}, {int((~proved).sum())} left", float(proved.mean()))
                proved[batch] = _bound(certifier, samples.take(rows[batch]), radius[batch], method) > 0
        for k in np.flatnonzero(~proved):
            alone = samples.take(rows[k : k + 1])
            margin = _bound(certifier, alone, radius[k : k + 1], radii.method)[0]
            proved[k], near[k] = margin > 0, -_slack(certifier.within(radius[k : k + 1]), alone) <= margin <= 0
    return proved, near


def _bound(certifier: Certifier, samples: Samples, radius: NDArray[np.float64], method: str) -> NDArray[np.float32]:
    margin = bound_together(certifier, samples, method, lambda: False, ALONE, radius)
    assert margin is not None  # nothing stops it
    return margin


def _certify(certifier: Certifier, samples: Samples, method: str) -> Flags:
    with open_bar(f"bounds of {len(samples)} samples") as bar:

        def watch(each: str, done: int, of: int) -> None:
            bar.show(f"{each}, {of - done} left", done / of)

        return certify(certifier, samples, np.ones(len(samples), bool), method, watch=watch).certified


def _slack(certifier: Certifier, samples: Samples) -> float:
    """Return what is taken off the margins for rounding."""
    x = torch.tensor(samples.x[:])
    return float(certifier.slack(x).amax())
