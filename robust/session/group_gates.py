"""The floors of the weakest class and of the weakest group: which of them count, and what is decided of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from robust.gates import GROUP, WORST_CLASS, Decision, FailOn, Floor, Forecast, Measured, decide, foresee
from robust.records.groups import Group, find_weakest, read_classes
from robust.records.record import Record

MIN_SAMPLES = 10  # of a class or group that counts: of fewer, chance alone may leave none robust
ERROR = 0.05  # of all intervals together (Bonferroni), since the weakest of many is looked at
NAMED = 5  # that a line names
ATTACKED = ":attacked="  # in the name of data of which some classes alone are measured
PARTS: dict[str, Literal["class", "group"]] = {WORST_CLASS: "class", GROUP: "group"}
PLURALS = {WORST_CLASS: "classes", GROUP: "groups"}


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """The decision on the classes or groups that count, and the figure of the one that it rests on."""

    figure: str
    decision: Decision

    def __str__(self) -> str:
        return f"{self.figure} {self.decision.message}"


def list_parts(record: Record, measure: str) -> tuple[Group, ...]:
    """List the classes or groups of a row, also those without samples, but for classes that the user left out."""
    if measure == GROUP:
        return record.all_groups
    return record.by_class if ATTACKED in record.data.name else read_classes(record.provenance.get("classes"))


def find_counted(groups: Iterable[Group]) -> list[Group]:
    """Return the groups that have enough samples to count against a floor."""
    return [group for group in groups if group.n >= MIN_SAMPLES]


def decide_groups(
    groups: Iterable[Group], floor: Floor, fail_on: FailOn, *, bound: bool = False
) -> GroupDecision | None:
    """Decide whether all groups that count keep the floor; None if none counts.

    Each is decided as any figure is, by an interval of which all hold together. The worst decision stands for all.
    """
    counted = find_counted(groups)
    if not counted:
        return None
    level = 1 - ERROR / len(counted)
    decided = [(group, Measured.of(group.robust, group.n, level)) for group in counted]
    rulings = {group.name: decide(measured, floor, fail_on, bound) for group, measured in decided}
    worst = next(ruling for ruling in ("fails", "inconclusive", "holds") if _has(rulings.values(), ruling))
    alike = [group for group in counted if rulings[group.name].ruling == worst]
    weakest = find_weakest(alike)
    assert weakest is not None
    figure = _describe(floor.measure, weakest, dict(zip(rulings, (measured for _, measured in decided), strict=True)))
    more = sorted((group for group in alike if group is not weakest), key=lambda group: group.percent)
    decision = rulings[weakest.name]
    message = f"{decision.message}; so is that of {_name(more)}" if more and decision.message else decision.message
    return GroupDecision(figure, Decision(decision.ruling, message))


def _has(decisions: Iterable[Decision], ruling: str) -> bool:
    return any(decision.ruling == ruling for decision in decisions)


def _describe(measure: str, group: Group, measured: dict[str, Measured]) -> str:
    """Return the robust accuracy of a group; its interval holds for all that count together."""
    own, others = measured[group.name], len(measured)
    together = f" for all {others} {PLURALS[measure]} together" * (others > 1)
    interval = f"95 % interval{together} {100 * own.low:.1f} to {100 * own.high:.1f}"
    return f"robust accuracy of {PARTS[measure]} {group.name}, {own.percent:.1f} % ({interval}, {own.k}/{own.n}),"


def _name(groups: Sequence[Group], sizes: bool = False) -> str:
    named = [f"{group.name} ({group.n})" if sizes else group.name for group in groups[:NAMED]]
    return f"{', '.join(named)}{f' and {len(groups) - NAMED} more' * (len(groups) > NAMED)}"


def describe_left_out(groups: Iterable[Group], floor: Floor) -> str:
    """Return that a floor leaves out groups of few samples, with their names and sizes; "" if it leaves out none."""
    small, kinds = [group for group in groups if group.n < MIN_SAMPLES], PLURALS[floor.measure]
    if not small:
        return ""
    return f"--robust-fail-under={floor} leaves out {kinds} of fewer than {MIN_SAMPLES} samples: {_name(small, True)}"


def describe_none(floor: Floor) -> str:
    """Return that no group counts."""
    none = f"no {PARTS[floor.measure]} has {MIN_SAMPLES} samples that were attacked"
    return f"--robust-fail-under={floor}: {none}, so nothing shows that it holds; use more samples"


def foresee_groups(groups: Sequence[Group], floor: Floor, fail_on: FailOn) -> Forecast | None:
    """Foresee which figures of the smallest group that counts will not settle the floor; None as `foresee`."""
    counted = find_counted(groups)
    if not counted:
        return Forecast(describe_none(floor), hopeless=True)
    least = min(counted, key=lambda group: group.n)
    whose = f" of {PARTS[floor.measure]} {least.name}, the fewest that count,"
    return foresee(floor, least.n, fail_on, 1 - ERROR / len(counted), whose)
