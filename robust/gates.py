"""The floors that accuracies must keep, and whether they do. No torch here: the words are read at the start."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from robust.attacks.registry import suggest
from robust.attacks.spec import Spec
from robust.attacks.words import canonical_threat, threat_slug

FailOn = Literal["figure", "ci"]
FAIL_ON: tuple[FailOn, ...] = ("figure", "ci")

CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class Floor:
    """A percentage, and what must not be below it: None is every robust accuracy, "clean" the clean one.

    Otherwise `scope` is a part of a test's name: "linf-8_255", "pgd-steps40" or "pgd-steps40-linf-8_255"; or "pgd",
    which is every attack of that name, whatever its options, or "standard", a suite whatever its version.
    """

    percent: float
    scope: str | None = None

    def __str__(self) -> str:
        return f"{self.percent:g}" if self.scope is None else f"{self.scope}:{self.percent:g}"


@dataclass(frozen=True, slots=True)
class Gates:
    """All floors of a run. Of several that could apply the one with the narrowest scope does."""

    floors: tuple[Floor, ...] = ()
    fail_on: FailOn = "figure"

    def clean(self) -> Floor | None:
        return self._narrowest([CLEAN])

    def attack(self, attack: str, threat: str) -> Floor | None:
        """Of one attack, or one suite, under one threat model."""
        return self._narrowest(*scopes(attack, threat))

    def together(self, threat: str) -> Floor | None:
        """Of all attacks together under one threat model."""
        return self._narrowest([threat_slug(threat)], [None])

    def row(self, attacks: Sequence[str], threat: str) -> Floor | None:
        """Of a row's figure: of the only attack or suite that it has, else of all together."""
        return self.attack(attacks[0], threat) if len(attacks) == 1 else self.together(threat)

    def _narrowest(self, *groups: list[str | None]) -> Floor | None:
        """The floor of the first group that has one; of several in a group the highest."""
        for group in groups:
            found = [floor for floor in self.floors if floor.scope in group]
            if found:
                return max(found, key=lambda floor: floor.percent)
        return None


def scopes(attack: str, threat: str) -> list[list[str | None]]:
    """The scopes that an attack under a threat model is in, the narrowest first."""
    spec = Spec.parse(attack)
    return [[pair_slug(attack, threat)], [spec.slug, threat_slug(threat)], [*_families(spec)], [None]]


def _families(spec: Spec) -> Iterator[str]:
    """What an attack goes by whatever its options, and a suite whatever its version: "pgd", "standard"."""
    yield spec.name
    if family := spec.name.rpartition("-")[0]:
        yield family


def pair_slug(attack: str, threat: str) -> str:
    """An attack under a threat model as one word, as in a test's name: "pgd-steps40-linf-8_255"; "" is for all."""
    return "-".join(filter(None, (attack and Spec.parse(attack).slug, threat_slug(threat))))


def read_floor(text: str, attacks: tuple[str, ...], threats: tuple[str, ...]) -> Floor:
    """Read "40", "40%", "clean:85", "linf:8/255:40", "pgd-linf-8_255:35"; ValueError for what is none of these."""
    scope, _, number = text.rpartition(":")
    if not scope:
        return Floor(read_percent(number))
    words = {CLEAN}
    for threat in threats:
        words |= {threat_slug(threat), *(pair_slug(attack, threat) for attack in attacks)}
    for attack in attacks:
        words |= {Spec.parse(attack).slug, *_families(Spec.parse(attack))}
    word = next((word for word in _spellings(scope) if word in words), None)
    if word is None:
        raise ValueError(f"unknown scope {suggest(scope, words)}")
    return Floor(read_percent(number), word)


def _spellings(scope: str) -> Iterator[str]:
    """What a scope may mean: itself, or as a part of a test's name a threat model or an attack as they are written."""
    yield scope
    with contextlib.suppress(ValueError):
        yield threat_slug(canonical_threat(scope))
    with contextlib.suppress(ValueError):
        yield Spec.parse(scope).slug


def read_percent(text: object) -> float:
    """Read "40", "40%" or 40; ValueError for a share such as 0.4, and for what is no percentage."""
    try:
        number = float(str(text).removesuffix("%"))
    except ValueError:
        raise ValueError(f"expected a percentage, as 40, got {text}") from None
    if 0 < number < 1:
        raise ValueError(f"expected a percentage; did you mean {100 * number:g}?")
    if not 0 <= number <= 100:
        raise ValueError("expected a percentage from 0 to 100")
    return number


@dataclass(frozen=True, slots=True)
class Measured:
    """`k` of `n` samples, and the 95 % interval of that share."""

    k: int
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, k: int, n: int) -> "Measured":
        from robust.stats import wilson

        return cls(k, n, *wilson(k, n))

    @property
    def percent(self) -> float:
        return 100 * self.k / self.n

    def __str__(self) -> str:
        interval = f"95 % interval {100 * self.low:.1f} to {100 * self.high:.1f}"
        return f"{self.percent:.1f} % ({interval}, {self.k}/{self.n})"


def shortfall(measured: Measured, floor: Floor | None, fail_on: FailOn) -> str | None:
    """What is wrong with the figure, as the end of a sentence, or None where it keeps the floor."""
    if floor is None:
        return None
    if measured.percent < floor.percent:
        doubt = ", which its interval contains: more samples would tell" if inconclusive(measured, floor) else ""
        return f"is below the required {floor.percent:g} %{doubt}"
    if fail_on == "ci" and 100 * measured.low < floor.percent:
        return f"is not surely above the required {floor.percent:g} %: its interval reaches below (--robust-fail-on=ci)"
    return None


def inconclusive(measured: Measured, floor: Floor | None) -> bool:
    """Whether the floor lies inside the interval, so that the figure does not settle it."""
    return floor is not None and 100 * measured.low < floor.percent < 100 * measured.high
