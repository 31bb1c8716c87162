"""Certify tensors: the driver for Python, as `robust.attacks.assail` is that of attacks."""

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.arguments import check_answer, check_samples, check_threat
from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.engine import check_bounds, eval_mode
from robust.attacks.layout import are_several
from robust.attacks.registry import suggest
from robust.attacks.several import Several, pack_inputs
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import Threat
from robust.certification.certify import Certifier, certify
from robust.certification.radius import Aim, RadiusSearch
from robust.certification.words import METHODS
from robust.data.dataset import Samples
from robust.device import device_of
from robust.flags import Flags
from robust.records.certificate import Certificate
from robust.records.radii import Radii

BATCH = 250


def certify_samples(
    model: nn.Module,
    x: Tensor | Several,
    y: Tensor,
    threat: Threat,
    method: str = "alpha-crown",
    *,
    criterion: Criterion = CLASS,
) -> Certificate:
    """Certify each sample of which the model's answer is right, by a method and the cheaper ones before it.

    x is (N, *features) within the threat's bounds, y (N,) int64, or what the criterion takes. Several inputs are a dict
    or a tuple, as `assail` takes them. The methods are ibp, crown and alpha-crown. Raise NoBoundsError, in one line,
    for a network, a threat model or a criterion for which no bounds are known; TypeError or ValueError for other
    arguments than these.
    """
    certifier, samples, correct = _begin(model, x, y, threat, method, criterion)
    return certify(certifier, samples, correct, method)


def certify_radii(model: nn.Module, x: Tensor, y: Tensor, threat: LpThreat, method: str = "alpha-crown") -> Radii:
    """Certify the largest ball around each sample in which no input is answered wrong, up to that of the threat model.

    Arguments and errors are those of `certify_samples`, but a union has no radius. `radius` of the result is (N,): 0
    where nothing is proved.
    """
    if len(getattr(threat, "parts", ())) > 1:
        raise ValueError(f"a radius is of one ball, and {threat} is a union; give one of its parts")
    certifier, samples, correct = _begin(model, x, y, threat, method, CLASS)
    end = float(threat.eps)
    aim = Aim(np.zeros(len(correct)), np.where(correct, np.inf, 0.0), end, (end,))
    return RadiusSearch(certifier, samples, aim).run(method)


def _begin(
    model: nn.Module, x: Tensor | Several, y: Tensor, threat: Threat, method: str, criterion: Criterion
) -> tuple[Certifier, Samples, Flags]:
    """Return the bounds of the model, the samples, and which are answered right, (N,); refuse what cannot be begun."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model is of type {type(model).__name__}, expected a torch.nn.Module")
    check_threat(threat)
    if not isinstance(x, Tensor) and are_several(x):
        model, x, _ = pack_inputs(model, x, threat)
    check_samples(x, y, criterion)
    assert isinstance(x, Tensor)
    check_bounds(x, threat)
    if method not in METHODS:
        raise ValueError(f"unknown method {suggest(method, METHODS)}")
    if not len(x):
        raise ValueError("there are no samples to certify")
    x, y = x.detach(), y.cpu()
    correct = _find_correct(model, x, y, criterion)
    certifier = Certifier.of(model, x[:1].to(device_of(model)), threat, criterion)
    certifier.check(x[:1])
    return certifier, Samples(x.cpu().numpy(), y.numpy(), np.arange(len(y)), str(criterion)), correct.numpy()


def _find_correct(model: nn.Module, x: Tensor, y: Tensor, criterion: Criterion) -> Tensor:
    """Return the samples that are answered right, (N,) bool."""
    found = []
    with eval_mode(model), torch.no_grad():
        for inputs, labels in zip(torch.split(x, BATCH), torch.split(y, BATCH), strict=True):
            logits = model(inputs.to(device_of(model)))
            check_answer(logits, labels, criterion)
            found.append(criterion.accepts(logits.cpu(), labels))
    return torch.cat(found)
