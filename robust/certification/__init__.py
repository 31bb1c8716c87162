"""Certificates: proofs, sample by sample, that no input of a ball is answered wrong.

    from robust.certification import certify_samples
    certificate = certify_samples(model, x, y, LpThreat.parse("linf:0.1"))
    certificate.certified  # (N,) bool
    certify_radii(model, x, y, LpThreat.parse("linf:0.3")).radius  # (N,)

`read.py` makes a graph of operators of a network; each operator bounds its value by intervals and by lines; `crown.py`
and `alpha.py` bound what is asked of all of them, and `certify.py` asks the cheapest method first, in float64.

Importing this package does not import torch; the names below do, when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust.certification.errors import NoBoundsError
    from robust.certification.tensors import certify_radii, certify_samples
    from robust.records.certificate import Certificate
    from robust.records.radii import Radii

__all__ = ["Certificate", "NoBoundsError", "Radii", "certify_radii", "certify_samples"]

_HOME = {
    "Certificate": "robust.records.certificate",
    "NoBoundsError": "robust.certification.errors",
    "Radii": "robust.records.radii",
    "certify_radii": "robust.certification.tensors",
    "certify_samples": "robust.certification.tensors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
