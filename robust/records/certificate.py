"""A certificate: for which samples it is proved that no input of the ball is answered wrong, and its JSON. No torch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags, pack
from robust.records.columns import read_columns, take_flags, write_columns


@dataclass(frozen=True, slots=True)
class Certificate:
    """The proofs for n samples."""

    method: str  # the dearest that was asked: "crown"
    certified: Flags  # (n,): no input of the ball is answered wrong
    margin: NDArray[np.float32]  # (n,): a lower bound of the margin over the ball, less the slack; -inf: not asked
    by: dict[str, int]  # how many each method certified
    seconds: float
    partial: str = ""  # why it ended early; what was not asked is open

    @property
    def outcome(self) -> tuple[str, str, str]:
        """Return what two certificates of the same must agree in, regardless of the bounds' values."""
        return self.method, pack(self.certified), self.partial


def certificate_to_json(certificate: Certificate, robust: Flags) -> dict[str, Any]:
    """Return the certificate as JSON can hold it, with the number of open samples: `robust`, and not certified."""
    certified = certificate.certified
    return {
        "method": certificate.method,
        "certified": int(certified.sum()),
        "open": int((robust & ~certified).sum()),
        "by": dict(certificate.by),
        "seconds": round(certificate.seconds, 3),
        **({"partial": certificate.partial} if certificate.partial else {}),
        "columns": write_columns({"certified": certified, "lower": certificate.margin}),
    }


def certificate_from_json(content: dict[str, Any], n: int) -> Certificate:
    """Make the certificate of n samples from its JSON, which the schema has passed; ValueError if it is damaged."""
    columns = read_columns(content["columns"], n)
    certified, margin = take_flags(columns, "certified"), columns.get("lower")
    if margin is None or margin.dtype != np.float32 or margin.shape != (n,):
        raise ValueError("not a record: its certificate lacks the column 'lower', a number for each sample")
    if (certified != (margin > 0)).any() or sum(content["by"].values()) != certified.sum():
        raise ValueError("its parts do not agree: its certified samples are not those of a lower bound above 0")
    rest = {key: content[key] for key in ("method", "by", "seconds")}
    return Certificate(
        **rest, certified=certified, margin=margin.astype(np.float32), partial=content.get("partial", "")
    )
