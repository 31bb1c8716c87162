"""The floors of accuracies, and the decision whether they hold. No torch: floors are read at the start of a run."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from robust.attacks.spec import Spec
from robust.attacks.words import threat_slug

if TYPE_CHECKING:
    from numpy.typing import NDArray

FailOn = Literal["figure", "ci"]
FAIL_ON: tuple[FailOn, ...] = ("figure", "ci")
Ruling = Literal["holds", "inconclusive", "fails"]

CLEAN, CERTIFIED, MEAN, MIOU = "clean", "certified", "mean", "miou"
WORST_CLASS, GROUP = "worst-class", "group"
MEASURES = (MEAN, MIOU, WORST_CLASS, GROUP)  # what a floor may limit beside accuracies of all samples
NEAR = 2.0  # points above a floor that a run should be able to tell from it


@dataclass(frozen=True, slots=True)
class Floor:
    """A percentage, and the accuracy that must not be below it: None is every robust accuracy, "clean" the clean one.

    "mean" is no percentage but the criterion's mean score under attack; of an error it is an upper limit. "miou" is the
    mean intersection over union of maps under attack, in percent.
    "worst-class" is the lowest robust accuracy of a class, and "group" that of a group of --robust-groups.
    "certified" is the share of samples that are certified, and "certified-linf-8_255" that under one threat model.
    Otherwise `scope` is a part of a test's name: "linf-8_255", "pgd-steps40" or "pgd-steps40-linf-8_255"; or "pgd",
    which is every attack of that name, whatever its options, or "standard", a suite whatever its version.
    """

    percent: float
    scope: str | None = None
    threat: str = ""  # "linf:4/255", where a curve is asked for an eps that is not planned

    def __str__(self) -> str:
        return f"{self.percent:g}" if self.scope is None else f"{self.scope}:{self.percent:g}"

    @property
    def is_certified(self) -> bool:
        """Whether it is a floor of what is certified."""
        return self.scope is not None and self.scope.partition("-")[0] == CERTIFIED

    @property
    def measure(self) -> str:
        """The figure that it limits, one of MEASURES; "" if it is a floor of an accuracy of all samples."""
        scope = self.scope or ""
        return next((word for word in MEASURES if scope == word or scope.startswith(f"{word}-")), "")


@dataclass(frozen=True, slots=True)
class Gates:
    """All floors of a run. If several could apply, the one with the narrowest scope does."""

    floors: tuple[Floor, ...] = ()
    fail_on: FailOn = "figure"

    def clean(self) -> Floor | None:
        """Return the floor of the clean accuracy."""
        return self._narrowest([CLEAN])

    def certified(self, threat: str) -> Floor | None:
        """Return the floor of what is certified under one threat model."""
        return self._narrowest(*certified_scopes(threat))

    def attack(self, attack: str, threat: str) -> Floor | None:
        """Return the floor of one attack, or one suite, under one threat model."""
        return self._narrowest(*scopes(attack, threat))

    def curve(self, end: str, planned: tuple[str, ...]) -> list[Floor]:
        """Return the floors that are read from the curve up to `end`: those at a radius that is not planned."""
        radii = [threat_slug(threat) for threat in planned]
        radii += [pair_slug(CERTIFIED, threat) for threat in planned]
        found = [floor for floor in self.floors if floor.threat and floor.scope not in radii]
        return [floor for floor in found if floor.threat.partition(":")[0] == end.partition(":")[0]]

    def limit(self, measure: str, threat: str, *, rises: bool = False) -> Floor | None:
        """Return the limit of one of MEASURES under a threat model; an upper one if the score rises."""
        for scope in (pair_slug(measure, threat), measure):
            if found := [floor for floor in self.floors if floor.scope == scope]:
                return (min if rises else max)(found, key=lambda floor: floor.percent)
        return None

    def together(self, threat: str) -> Floor | None:
        """Return the floor of all attacks together under one threat model."""
        return self._narrowest([threat_slug(threat)], [None])

    def row(self, attacks: Sequence[str], threat: str) -> Floor | None:
        """Return the floor of a row: that of its only attack or suite, else that of all attacks together."""
        return self.attack(attacks[0], threat) if len(attacks) == 1 else self.together(threat)

    def _narrowest(self, *groups: list[str | None]) -> Floor | None:
        """Return the highest floor of the first group of scopes that has one."""
        for group in groups:
            found = [floor for floor in self.floors if floor.scope in group]
            if found:
                return max(found, key=lambda floor: floor.percent)
        return None


def certified_scopes(threat: str) -> list[list[str | None]]:
    """Return the scopes that what is certified under a threat model is in, the narrowest first."""
    return [[pair_slug(CERTIFIED, threat)], [CERTIFIED]]


def scopes(attack: str, threat: str) -> list[list[str | None]]:
    """Return the scopes that an attack under a threat model is in, the narrowest first."""
    spec = Spec.parse(attack)
    return [[pair_slug(attack, threat)], [spec.slug, threat_slug(threat)], [*families(spec)], [None]]


def families(spec: Spec) -> Iterator[str]:
    """Yield the name of an attack without its options, and of a suite without its version: "pgd", "standard"."""
    yield spec.name
    if family := spec.name.rpartition("-")[0]:
        yield family


def pair_slug(attack: str, threat: str) -> str:
    """Return an attack under a threat model as one word, as in a test's name: "pgd-steps40-linf-8_255".

    The attack "" stands for all attacks: "linf-8_255".
    """
    return "-".join(filter(None, (attack and Spec.parse(attack).slug, threat_slug(threat))))


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over samples, and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: "NDArray[Any]", scale: float = 1) -> "Mean":
        """Return the mean of values, (n,), times `scale`; what is not finite does not count."""
        import numpy as np

        from robust.stats import bootstrap_mean

        known = np.asarray(values, np.float64)
        known = scale * known[np.isfinite(known)]
        return cls(float(known.mean()), *bootstrap_mean(known)) if len(known) else cls(*[float("nan")] * 3)

    @classmethod
    def of_regions(cls, regions: "NDArray[Any]") -> "Mean":
        """Return the mIoU of a set in percent, of the regions of its samples, (n, 2 C), as records keep them."""
        import numpy as np

        from robust.stats import bootstrap_iou, mean_iou

        whole = np.asarray(regions, np.float64)
        low, high = bootstrap_iou(whole)
        return cls(100 * float(mean_iou(whole.sum(0))), 100 * low, 100 * high)

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Return the mean and the ends of its interval."""
        return self.value, self.low, self.high

    def __str__(self) -> str:
        return f"{self.value:.4g} (95 % interval {self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True, slots=True)
class Measured:
    """`k` of `n` samples, and the 95 % Wilson interval of that share, from `low` to `high` in [0, 1]."""

    k: int
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, k: int, n: int, level: float = 0.95) -> "Measured":
        from robust.stats import wilson

        return cls(k, n, *wilson(k, n, level))

    @property
    def percent(self) -> float:
        return 100 * self.k / self.n

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Return the share and the ends of its interval in percent."""
        return self.percent, 100 * self.low, 100 * self.high

    def __str__(self) -> str:
        interval = f"95 % interval {100 * self.low:.1f} to {100 * self.high:.1f}"
        return f"{self.percent:.1f} % ({interval}, {self.k}/{self.n})"


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision whether a figure keeps its floor, and what to say of a figure that does not, or may not."""

    ruling: Ruling
    message: str = ""  # of a ruling "fails" the end of a sentence that begins with the figure; "" where it holds


def decide(
    measured: "Measured | Mean", floor: Floor, fail_on: FailOn, bound: bool = False, *, rises: bool = False
) -> Decision:
    """Decide whether a figure keeps its floor. Every gate of a run is decided here, and nowhere else.

    Args:
        measured: The figure, with its interval.
        floor: What it must not be below, or if the figure `rises` as it gets worse, above.
        fail_on: "figure" if the figure itself must keep the floor, "ci" if all of its interval must.
        bound: Whether the figure is only the best that is possible, since the attack was stopped before its end.
        rises: Whether a higher figure is worse, as of an error.
    """
    (value, low, high), limit = measured.bounds, floor.percent
    side, other = ("above", "below") if rises else ("below", "above")
    text = f"{limit:g} %" if isinstance(measured, Measured) else f"{limit:g}"
    named = f"the {'limit' if isinstance(measured, Mean) else 'floor'} of {text}"
    if value > limit if rises else value < limit:
        hint = ", which its interval contains: more samples would tell" if low < limit < high else ""
        return Decision("fails", f"is {side} the required {text}{hint}")
    if fail_on == "ci" and (high > limit if rises else low < limit):
        reach = f"its interval reaches {side} (--robust-fail-on=ci)"
        return Decision("fails", f"is not surely {other} the required {text}: {reach}")
    if bound:
        return Decision("inconclusive", f"{named} holds so far; give it more time")
    if low < limit < high:
        return Decision("inconclusive", f"{named} is inside the interval; use more samples")
    return Decision("holds")


@dataclass(frozen=True, slots=True)
class Forecast:
    """A line on what n samples cannot settle, and whether it is every outcome."""

    message: str
    hopeless: bool


def foresee(floor: Floor, n: int, fail_on: FailOn, level: float = 0.95, whose: str = "") -> Forecast | None:
    """Foresee which figures of n samples will not settle whether the floor holds; None if all are near the floor.

    `whose` is put behind their number: " of class 3".
    """
    from robust.stats import count_needed

    def settles(k: int) -> bool:
        return decide(Measured.of(k, n, level), floor, fail_on).ruling == "holds"

    holds = bisect_left(range(n + 1), True, key=settles)
    top, share = 100 * (holds - 1) / n, floor.percent / 100
    if holds <= n and top - floor.percent < NEAR:
        return None
    word = "inconclusive" if fail_on == "figure" else "not enough (--robust-fail-on=ci)"
    start = f"--robust-fail-under={floor}: with {n} samples{whose}"
    if holds <= n:
        more = f"to tell {NEAR:g} points above it take {count_needed(share, NEAR / 100, level)}"
        return Forecast(f"{start} a figure from {floor.percent:g} to {top:.1f} % is {word}; {more}", hopeless=False)
    more = f"take {count_needed(share, 1 - share, level)} or more" if share < 1 else "no number of samples is enough"
    return Forecast(f"{start} no figure is high enough: even {n}/{n} is {word}; {more}", hopeless=True)


def describe_next(measured: Measured, floor: Floor, advice: str) -> str:
    """Return what to try next once a figure has failed, as "next: ..."; "" if there is nothing."""
    more = ["more samples make the interval narrower"] * (measured.percent >= floor.percent)
    steps = "; ".join([*more, *filter(None, [advice])])
    return f"next: {steps}" if steps else ""
