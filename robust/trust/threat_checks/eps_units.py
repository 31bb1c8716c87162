"""eps-units: eps is not in the units of the data, as 8/255 for pixels from 0 to 255, or below one of its levels."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.product import Product
from robust.data.dataset import Samples
from robust.records.trust import Finding, NotApplicableError
from robust.trust.checks import THREAT_CHECKS, any_criterion
from robust.trust.threat_probe import ThreatProbe
from robust.verification.rounding import on_levels

MAX_RANGE = 2.0  # of the data: [0, 1] and [-1, 1] are customary for an eps of k/255
LEVELS = 256  # of 8 bits, as images are stored
ROUNDING = 1e-6  # of a level
MAX_VALUES = 2**16  # that suggest a number of levels; all inputs must then be on them


@THREAT_CHECKS.register("eps-units")
@any_criterion
def eps_units(probe: ThreatProbe) -> Finding | None:
    """Check that eps is in the units of the data, for each part of a union; the first that is not is the finding.

    It is not where the range is wider than 2 and eps was written as k/255. Where eps is below one of the 256 levels
    that all values have, no attack can change a stored value, in any norm: the least change is one level of one value.
    It is a note where the data has fewer levels, as the 17 of digits, since there a smaller eps is customary. Other
    data may have a small eps: images that were resized are on no levels, and 0.5/255 is in use.
    """
    if not any(isinstance(part, LpThreat | Product) for part in probe.threat.parts):
        raise NotApplicableError("the threat model has no eps in the units of the data")
    probes = _split_inputs(probe)
    for find in (_find_mistakes, _find_small):
        for name, each in probes:
            if doubt := next(find(each), None):
                return replace(doubt, message=f"{name}: {doubt.message}") if name else doubt
    return None


def _split_inputs(probe: ThreatProbe) -> list[tuple[str, ThreatProbe]]:
    """Return a probe for each part of several inputs that has a ball, with its name; else the probe itself."""
    products = [part for part in probe.threat.parts if isinstance(part, Product)]
    if not products:
        return [("", probe)]
    return [
        (
            name,
            ThreatProbe(ball, Samples(probe.x[:, product.layout.places[name]], probe.samples.y, probe.samples.index)),
        )
        for product in products
        for name, ball in product.balls.items()
    ]


def _list_balls(probe: ThreatProbe) -> list[LpThreat]:
    return [part for part in probe.threat.parts if isinstance(part, LpThreat)]


def _find_mistakes(probe: ThreatProbe) -> Iterator[Finding]:
    bounds = (probe.threat.lo, probe.threat.hi)
    width = bounds[1] - bounds[0]
    level = width / (LEVELS - 1)
    for ball in _list_balls(probe):
        eps = float(ball.eps)
        seen = f"{ball} is {_percent(eps / width)} of the data's range, {bounds[0]:g} to {bounds[1]:g}"
        if width > MAX_RANGE and str(ball).endswith("/255"):
            message = f"{seen}; expected eps in the units of the data"
            yield Finding("eps-units", "suspect", eps / width, message, _propose(ball, width))
        elif _is_below(eps, level) and on_levels(probe.x, bounds, LEVELS):
            message = f"{seen}, and no attack can change a stored value by it; expected one level, {level:.4g}, or more"
            yield Finding("eps-units", "suspect", eps / width, message, _propose(ball, width))


def _find_small(probe: ThreatProbe) -> Iterator[Finding]:
    """Yield a note for each part whose eps is below one level of data that has fewer than 256."""
    width = probe.threat.hi - probe.threat.lo
    levels = _count_levels(probe.x, (probe.threat.lo, probe.threat.hi))
    level = width / (levels - 1) if levels else 0.0
    for ball in _list_balls(probe):
        if _is_below(float(ball.eps), level):
            seen = f"{ball} is below one level, {level:.4g}, of this data, which has {levels}"
            message = f"{seen}: what breaks the model are inputs that no sample of this data can be"
            hint = f"the attacker may add what the data cannot hold; else take {ball.norm}:{level:.4g} or more"
            yield Finding("eps-units", "trusted", float(ball.eps) / width, message, hint)


def _is_below(eps: float, level: float) -> bool:
    return eps < level * (1 - ROUNDING)


def _count_levels(x: NDArray[np.float32], bounds: tuple[float, float]) -> int:
    """Return the least number of evenly spaced levels, below 256, that has every value; 0 if none has.

    Half of the levels must occur: a few values are on some levels by chance.
    """
    flat = x.reshape(-1)
    few = np.unique(flat[:: -(-len(flat) // MAX_VALUES)])[:, None]
    if len(few) >= LEVELS:
        return 0
    most = min(LEVELS - 1, 2 * len(few))
    fitting = (n for n in range(2, most + 1) if on_levels(few, bounds, n) and on_levels(x, bounds, n))
    return next(fitting, 0)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _propose(ball: LpThreat, width: float) -> str:
    """Return a hint: the same share of this range as eps is of [0, 1]."""
    if width <= MAX_RANGE:
        return f"take {ball.norm}:{width:g}/{LEVELS - 1} or more, or data that keep their decimals"
    meant = float(ball.eps) * width
    levels = f" ({meant:.4g} of {LEVELS - 1} levels)" if width == LEVELS - 1 else ""
    return f"did you mean {ball.norm}:{meant:.4g}{levels}?"
