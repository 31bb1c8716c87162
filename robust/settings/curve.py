"""Read the options of the curve: up to which radius it is measured, and at which radii tables list it. No torch."""

from dataclasses import dataclass
from fractions import Fraction

from robust.attacks.grammar.norms import NORMS, parse_threat, threat_text
from robust.models.spec import ModelSpec
from robust.settings.parsing import OptionError, blame
from robust.settings.sources import OptionValue

REACH = 4  # times the largest planned eps: the end of a curve, if the user names none
AUTO, NONE = ("", "auto"), "none"


@dataclass(frozen=True, slots=True)
class Curves:
    """The curves of each model, one for each norm of the threat models."""

    ends: tuple[str, ...] = ()  # canonical: "linf:32/255"
    eps: tuple[str, ...] = ()  # canonical: "linf:4/255"

    @property
    def norms(self) -> tuple[str, ...]:
        """Return the norms."""
        return tuple(end.partition(":")[0] for end in self.ends)

    def end_of(self, threat: str) -> str | None:
        """Return the end of the curve on which a threat model, or a norm, lies; None if there is no such curve."""
        norm = threat.partition(":")[0]
        return next((end for end in self.ends if "+" not in threat and end.partition(":")[0] == norm), None)

    def list_eps(self, norm: str) -> tuple[str, ...]:
        """List the radii of a norm that tables list: "4/255"."""
        return tuple(text.partition(":")[2] for text in self.eps if text.partition(":")[0] == norm)


def read_curves(
    curve: OptionValue, eps: OptionValue, threats: tuple[str, ...], models: tuple[ModelSpec, ...], width: float
) -> Curves:
    """Return the curves of a run; OptionError for what is wrong with one of the two options.

    `width` is that of the inputs' range, beyond which no linf ball is larger.
    """
    if curve.text in (None, NONE):
        if eps.texts:
            raise OptionError(eps.name, None, "there is no curve to read them from; add --robust-curve")
        return Curves()
    with blame(curve.name, curve.text or None):
        planned = _group_threats(threats)
        for spec in models:
            if spec.answers:
                raise ValueError(f"{spec.text} only answers, and a curve needs its gradient")
        ends = tuple(_find_end(norm, radii, _read(curve, [*planned]), width) for norm, radii in planned.items())
    listed = []
    for text in eps.items:
        with blame(eps.name, text):
            for norm, radius in _read_one(text, [*planned]).items():
                listed.append(_refuse_beyond(norm, radius, ends))
    return Curves(ends, tuple(dict.fromkeys(listed)))


def _group_threats(threats: tuple[str, ...]) -> dict[str, list[Fraction]]:
    """Return the planned radii of each norm; ValueError for a threat model that has no curve."""
    planned: dict[str, list[Fraction]] = {}
    for threat in threats:
        if "+" in threat:
            raise ValueError(f"a curve is of one norm, and {threat} is a union; leave one of the two out")
        if (norm := threat.partition(":")[0]) not in NORMS:
            raise ValueError(
                f"a curve is of {', '.join(NORMS)}, and the threat model is {threat}; leave one of the two out"
            )
        planned.setdefault(norm, []).append(parse_threat(threat)[1])
    return planned


def _read(curve: OptionValue, norms: list[str]) -> dict[str, Fraction]:
    """Return the ends that the user names, by norm."""
    ends: dict[str, Fraction] = {}
    for text in () if curve.text in AUTO else (curve.text or "").split(","):
        for norm, radius in _read_one(text, norms).items():
            if norm in ends:
                raise ValueError(f"the end for {norm} is given twice")
            ends[norm] = radius
    return ends


def _read_one(text: str, norms: list[str]) -> dict[str, Fraction]:
    """Read "16/255", of the only norm of the run, or "linf:16/255"."""
    norm, colon, _ = text.strip().partition(":")
    if not colon and len(norms) > 1:
        raise ValueError(f"the run has {' and '.join(norms)}; say which, as {norms[0]}:{text}")
    if not colon:
        try:
            return {norms[0]: parse_threat(f"{norms[0]}:{text}")[1]}
        except ValueError:
            where = "; where it is an argument of pytest's, write it before" if "." in text or "/" in text else ""
            raise ValueError(f"expected a radius, as 16/255 or {norms[0]}:16/255{where}") from None
    if norm not in NORMS:
        raise ValueError(f"a curve is of {', '.join(NORMS)}, got {norm}")
    if norm not in norms:
        raise ValueError(f"no threat model of the run is of {norm}; they are of {' and '.join(norms)}")
    return {norm: parse_threat(text)[1]}


def _find_end(norm: str, radii: list[Fraction], given: dict[str, Fraction], width: float) -> str:
    """Return where the curve of a norm ends."""
    widest = Fraction(width).limit_denominator(10**6)
    end = given.get(norm, REACH * max(radii))
    if norm == "linf" and end > widest:
        if norm in given:
            raise ValueError(f"linf:{given[norm]} is wider than the inputs' range, {float(widest):g}")
        end = max(widest, *radii) if radii else widest
    if end < max(radii):
        planned = threat_text(norm, max(radii))
        raise ValueError(f"it ends before the planned {planned}; give at least {planned.partition(':')[2]}")
    return threat_text(norm, end)


def _refuse_beyond(norm: str, radius: Fraction, ends: tuple[str, ...]) -> str:
    """Return a radius on the curve as text; ValueError if the curve ends before it."""
    end = next(end for end in ends if end.partition(":")[0] == norm)
    if radius > parse_threat(end)[1]:
        last = threat_text(norm, radius).partition(":")[2]
        raise ValueError(f"beyond the curve's end, {end}; give --robust-curve={last} or a smaller radius")
    return threat_text(norm, radius)
