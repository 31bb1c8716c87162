"""The page of `make bench-standard`, made of the kept results: a table for each group, and what must hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from benchmarks import table
from benchmarks.outcomes import Outcome, Run
from benchmarks.subjects import Case

PEER, QUICK = "AutoAttack", "quick-1"
HALVES = {
    "first": "First half, to choose by",
    "aside": "Second half, set aside until the choice was made",
    "third": "Third group, of other kinds, trained after the choice and measured once",
    "fourth": "Fourth group, of other kinds again, set aside when stages were chosen once more",
    "fifth": "Fifth group, trained for linf and attacked under l2, measured once after crown-l2 changed stages",
    "chosen-on": "Networks that standard-1 was first chosen on",
}
HEADS = ("network", "threat", "n", "right", "robust %", "forwards", "backwards", "seconds", "time", "gradients")
TIMES, GRADIENTS = Fraction(1, 20), Fraction(1, 10)  # of AutoAttack's, in the sum
BELOW = Fraction(1, 3)  # of the networks
TIMES_EACH, WORTH, TIMES_REST, SECONDS_REST = Fraction(1, 8), 20.0, Fraction(1, 10), 2.0  # of each network
QUICK_POINTS, QUICK_TIMES = 1.5, Fraction(1, 8)


@dataclass(frozen=True, slots=True)
class Result:
    """The outcomes of the three sides on one network in one threat model."""

    case: Case
    run: Run
    suite_name: str
    earlier: bool = False  # whether code or attacks have changed since it was measured
    others: tuple[Run, ...] = ()  # by other seeds of the attacks, of the suite and AutoAttack

    @property
    def suite(self) -> Outcome:
        return self.run.outcomes[self.suite_name]

    @property
    def peer(self) -> Outcome:
        return self.run.outcomes[PEER]

    @property
    def quick(self) -> Outcome:
        return self.run.outcomes[QUICK]

    @property
    def sides(self) -> tuple[Outcome, Outcome, Outcome]:
        return self.suite, self.peer, self.quick

    @property
    def above(self) -> int:
        """Return how many more images than AutoAttack the suite left."""
        return len(self.suite.left) - len(self.peer.left)

    @property
    def seeds(self) -> tuple[list[int], list[int]]:
        """Return how many images the suite left by each seed, and how many AutoAttack did."""
        suite, peer = (
            [len(run.outcomes[name].left) for run in (self.run, *self.others)] for name in (self.suite_name, PEER)
        )
        return suite, peer

    @property
    def above_unbroken(self) -> tuple[int, int]:
        """Return how many images the suite, and AutoAttack, left that a run of either side by some seed broke."""
        runs = [run.outcomes[name].left for run in (self.run, *self.others) for name in (self.suite_name, PEER)]
        unbroken = len(set(runs[0]).intersection(*runs))
        return len(self.suite.left) - unbroken, len(self.peer.left) - unbroken

    @property
    def is_dear(self) -> bool:
        """Whether the suite took too much of AutoAttack's time on this network."""
        if self.run.robust(PEER) >= WORTH:
            return self.suite.seconds > TIMES_EACH * self.peer.seconds
        return self.suite.seconds > TIMES_REST * self.peer.seconds + SECONDS_REST


def tables(results: Sequence[Result]) -> list[str]:
    """Return the lines of the page: the table and the sums of each group, and what must hold over all but the last."""
    lines = []
    for half, title in HALVES.items():
        if part := [result for result in results if result.case.half == half]:
            lines += [f"## {title}", "", *table.markdown(HEADS, map(_cells, part), words=2), "", *sums(part), ""]
    halves = [result for result in results if result.case.half != "chosen-on"]
    lines += ["## Where they differ, by three seeds of the attacks", "", *by_seeds(halves), ""]
    for title, names in (("both halves", ("first", "aside")), ("the first five groups", tuple(HALVES)[:-1])):
        part = [result for result in halves if result.case.half in names]
        lines += [f"## What must hold over {title}", "", *bounds(part), "", *by_network(part), ""]
    return lines[:-1]


def by_seeds(results: Iterable[Result]) -> list[str]:
    """Return a table of the rows that were measured by several seeds, and on how many the suite leaves more in all."""
    rows, more = [], []
    for result in results:
        if result.others:
            suite, peer = result.seeds
            left = [", ".join(map(str, counts)) for counts in (suite, peer)]
            rows.append([result.case.name, result.run.threat, *left, f"{sum(suite) - sum(peer):+d}"])
            more += [f"{result.case.name} {result.run.threat}"] * (sum(suite) > sum(peer))
    heads = ("network", "threat", "left", "left by AutoAttack", "more in all")
    told = f"- more in all on {len(more)} of {len(rows)} rows{': ' * bool(more)}{', '.join(more)}"
    return [*table.markdown(heads, rows, words=2), "", told]


def by_network(results: Sequence[Result]) -> list[str]:
    """Return what the sides leave of a network at its three eps together, beside what no run of either side broke."""
    parts: dict[str, list[Result]] = {}
    for result in results:
        parts.setdefault(result.case.name, []).append(result)
    more = {name: sum(result.above for result in part) for name, part in parts.items()}
    above = [f"{name} by {count}" for name, count in more.items() if count > 0]
    least = [all(not result.above_unbroken[k] for result in part) for part in parts.values() for k in (0, 1)]
    times = {name: [sum(result.sides[k].seconds for result in part) for k in (0, 1)] for name, part in parts.items()}
    dear = [f"{name} {_ratio(*pair)}" for name, pair in times.items() if pair[0] > TIMES_EACH * pair[1]]
    return [
        f"At the three eps of a network together, over {len(parts)} networks:",
        "",
        f"- below AutoAttack on {sum(count < 0 for count in more.values())}, above it on {', '.join(above) or 'none'}",
        f"- leaves just what no run of either side broke on {sum(least[::2])}, AutoAttack on {sum(least[1::2])}",
        f"- more than 1/8 of the time on {', '.join(dear) or 'none'}",
    ]


def describe(result: Result) -> str:
    """Return a result in one line, as it comes."""
    return f"| {' | '.join(_cells(result))} |"


def sums(results: Sequence[Result]) -> list[str]:
    """Return a line for each cost, one for the figures, and one for what quick-1 leaves."""
    suite, peer, quick = ([result.sides[k] for result in results] for k in range(3))
    costs = [
        f"{what}: {_sum(suite, what):,.0f} / {_sum(peer, what):,.0f} / {_sum(quick, what):,.0f}, "
        f"{_ratio(_sum(suite, what), _sum(peer, what))} of AutoAttack's"
        for what in ("seconds", "backwards", "forwards")
    ]
    below = sum(result.above < 0 for result in results)
    above = [f"{result.case.name} {result.run.threat} by {result.above}" for result in results if result.above > 0]
    figures = f"of {len(results)} rows {below} below AutoAttack, {len(above)} above it"
    return [f"- {line}" for line in (*costs, figures + f": {', '.join(above)}" * bool(above))]


def bounds(results: Sequence[Result]) -> list[str]:
    """Return a line for each bound, over the networks of the first five groups."""
    names = {result.case.name for result in results}
    above = {result.case.name for result in results if result.above > 0}
    below = {result.case.name for result in results if result.above < 0} - above
    suite, peer, quick = ([result.sides[k] for result in results] for k in range(3))
    dear = [f"{result.case.name} {result.run.threat}" for result in results if result.is_dear]
    seconds, most = _sum(suite, "seconds"), max((_behind(result) for result in results), default=0.0)
    gradients, theirs = _sum(suite, "backwards"), _sum(peer, "backwards")
    return [
        _line(f"never above AutoAttack (above on {len(above)} of {len(names)} networks)", not above),
        _line(f"below it on a third of the networks (on {len(below)})", len(below) >= BELOW * len(names)),
        _line(
            f"at most 1/20 of its time ({_ratio(seconds, _sum(peer, 'seconds'))})",
            seconds <= TIMES * _sum(peer, "seconds"),
        ),
        _line(f"at most 1/10 of its gradients ({_ratio(gradients, theirs)})", gradients <= GRADIENTS * theirs),
        _line(f"on no network more than 1/8 of the time ({', '.join(dear) or 'on none'})", not dear),
        _line(f"{QUICK} leaves at most 1.5 points more ({most:.1f})", most <= QUICK_POINTS),
        _line(
            f"{QUICK} takes at most 1/8 of the suite's time ({_ratio(_sum(quick, 'seconds'), seconds)})",
            _sum(quick, "seconds") <= QUICK_TIMES * seconds,
        ),
    ]


def _behind(result: Result) -> float:
    """Return how many points more than the suite quick-1 left; 0 where the gradients are masked."""
    points = 100 * (len(result.quick.left) - len(result.suite.left)) / result.run.n
    return 0.0 if result.case.masked else points


def _cells(result: Result) -> list[str]:
    def cell(what: str) -> str:
        return " / ".join(f"{getattr(side, what) / max(result.run.right, 1):.0f}" for side in result.sides)

    run = result.run
    robust = " / ".join(f"{run.robust(name):.1f}" for name in (result.suite_name, PEER, QUICK))
    seconds = " / ".join(f"{side.seconds:.1f}" for side in result.sides)
    robust += f" **+{result.above}**" * (result.above > 0)
    ratios = [_ratio(getattr(result.suite, what), getattr(result.peer, what)) for what in ("seconds", "backwards")]
    counts = (str(run.n), str(run.right))
    return [
        result.case.name + "\\*" * result.earlier,
        run.threat,
        *counts,
        robust,
        cell("forwards"),
        cell("backwards"),
        seconds,
        *ratios,
    ]


def _sum(side: Iterable[Outcome], what: str) -> float:
    return float(sum(getattr(outcome, what) for outcome in side))


def _ratio(part: float, whole: float) -> str:
    return f"1/{whole / part:.1f}" if part else "0"


def _line(text: str, holds: bool) -> str:
    return f"- {text}: {'yes' if holds else '**no**'}"
