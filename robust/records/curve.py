"""A curve: the smallest adversarial distance of each sample that was found and verified, and its JSON. No torch."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.attacks.grammar.norms import parse_threat
from robust.attacks.text import brief
from robust.flags import Flags
from robust.records.certificate import Certificate
from robust.records.columns import read_columns, write_columns
from robust.records.radii import COLUMN, Radii, radii_from_json, radii_to_json


@dataclass(frozen=True, slots=True)
class Curve:
    """The distances of n samples in one norm."""

    end: str  # the threat model up to which inputs were sought: "linf:32/255"
    distance: NDArray[np.float32]  # (n,): 0 where x itself is answered wrong; inf where nothing was found up to the end
    attacks: tuple[str, ...]  # the ladder that was climbed
    eps: tuple[str, ...]  # the radii that tables list: "4/255"
    forwards: int
    backwards: int
    seconds: float
    partial: str = ""  # why it was stopped before its end, so that distances may be too large
    proved: Radii | None = None  # the certified radii, the curve from below; None if nothing was asked

    @property
    def stopped(self) -> bool:
        """Whether the search from above, or the one from below, was stopped before its end."""
        return bool(self.partial or (self.proved and self.proved.partial))

    @property
    def norm(self) -> str:
        """The norm of the distances."""
        return self.end.partition(":")[0]

    @property
    def last(self) -> float:
        """The largest radius of the curve."""
        return float(parse_threat(self.end)[1])

    def robust_at(self, eps: float) -> Flags:
        """Mark the samples, (n,), of which no adversarial input within `eps` is known.

        Both sides are rounded to float32, as distances are stored: then none is lost by rounding.
        """
        marks: Flags = self.distance > np.float32(eps)
        return marks

    def certified_at(self, eps: float) -> Flags:
        """Mark the samples, (n,), that are proved to be answered right within `eps`; at 0 those that are right."""
        right: Flags = self.distance > 0
        return right if self.proved is None else right & (self.proved.radius >= np.float32(eps))

    @property
    def contradicted(self) -> Flags:
        """(n,): certified within a radius in which an adversarial input was verified."""
        marks: Flags = (self.distance > 0) & (self.distance <= (0 if self.proved is None else self.proved.radius))
        return marks

    @property
    def median(self) -> float:
        """The smallest radius at which at least half of the samples are answered wrong; inf beyond the end."""
        return float(np.sort(self.distance)[(len(self.distance) - 1) // 2])

    @property
    def outcome(self) -> tuple[object, ...]:
        """Return what two curves of the same must agree in."""
        return self.end, self.distance.tobytes(), self.attacks, self.partial, self.proved and self.proved.outcome

    def list_marks(self) -> list[tuple[str, Flags]]:
        """List the radii that tables show, as they were written, with the samples, (n,), that are robust there."""
        return [(text, self.robust_at(self._radius_of(text))) for text in self.eps]

    def list_proved(self) -> list[tuple[str, Flags]]:
        """List the same radii with the samples, (n,), that are certified there; none where nothing was asked."""
        return [] if self.proved is None else [(text, self.certified_at(self._radius_of(text))) for text in self.eps]

    def _radius_of(self, text: str) -> float:
        return float(parse_threat(f"{self.norm}:{text}")[1])


def to_float32(distance: NDArray[np.float64], radii: list[float]) -> NDArray[np.float32]:
    """Return distances as they are stored: one that is above a radius does not come to lie on it by rounding."""
    stored = distance.astype(np.float32)
    for radius in radii:
        above = (distance > radius * (1 + 1e-12)) & (stored <= np.float32(radius))
        stored[above] = np.nextafter(np.float32(radius), np.float32(math.inf))
    return stored


def eps_of(threat: str) -> float:
    """Return the radius of a threat model as a number."""
    return float(parse_threat(threat)[1])


def describe_radius(curve: Curve, radius: float) -> str:
    """Return a radius in the units that the end is written in: "6.1/255", "0.52"; "above 32/255" beyond the end."""
    unit = curve.end.endswith("/255")
    if not math.isfinite(radius):
        return f"above {curve.end.partition(':')[2]}"
    return f"{255 * radius:.3g}/255" if unit else f"{radius:.3g}"


def curve_to_json(curve: Curve) -> dict[str, Any]:
    """Return the curve as JSON can hold it."""
    median, columns = curve.median, {"distance": curve.distance}
    columns |= {} if curve.proved is None else {COLUMN: curve.proved.radius}
    return {
        "end": curve.end,
        "median": median if math.isfinite(median) else None,
        "attacks": [*curve.attacks],
        "eps": [*curve.eps],
        "forwards": curve.forwards,
        "backwards": curve.backwards,
        "seconds": round(curve.seconds, 3),
        **({"partial": curve.partial} if curve.partial else {}),
        **({} if curve.proved is None else {"certified": radii_to_json(curve.proved)}),
        "columns": write_columns(columns),
    }


def curve_from_json(content: dict[str, Any], n: int) -> Curve:
    """Make the curve of n samples from its JSON, which the schema has passed; ValueError if it is damaged."""
    columns = read_columns(content["columns"], n)
    distance = columns.get("distance")
    if distance is None or distance.dtype != np.float32 or distance.shape != (n,) or not (distance >= 0).all():
        raise ValueError("not a record: its curve lacks the column 'distance', a number for each sample")
    distance = distance.astype(np.float32)
    for radius in content["eps"]:
        parse_threat(f"{content['end'].partition(':')[0]}:{radius}")
    return Curve(
        end=content["end"],
        distance=distance,
        attacks=tuple(content["attacks"]),
        eps=tuple(content["eps"]),
        partial=content.get("partial", ""),
        proved=radii_from_json(content["certified"], columns, distance) if "certified" in content else None,
        **{key: content[key] for key in ("forwards", "backwards", "seconds")},
    )


def check_curve(
    curve: Curve | None, threat: str, correct: Flags, robust: Flags, certificate: Certificate | None
) -> None:
    """Raise ValueError if a curve contradicts its row: which samples are right, robust, and certified at its eps."""
    if curve is None:
        return
    if ((curve.distance == 0) != ~correct).any():
        raise ValueError("its parts do not agree: a distance is 0 where the clean sample is answered wrong, only there")
    norm, _, eps = threat.partition(":")
    if norm != curve.norm or "+" in eps:
        raise ValueError(f"its parts do not agree: a curve of {curve.norm} in a row under {brief(threat)}")
    if (curve.robust_at(eps_of(threat)) != robust).any():
        raise ValueError("its parts do not agree: at its eps the curve is not its robust samples")
    if curve.proved and certificate and (certificate.certified & ~curve.certified_at(eps_of(threat))).any():
        raise ValueError("its parts do not agree: a certified sample has a certified radius below its eps")
