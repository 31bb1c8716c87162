"""Charts of accuracy against eps, for models with a curve, or with rows of one suite at several eps."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from robust.attacks.criteria.registry import DEFAULT
from robust.attacks.grammar.norms import parse_threat
from robust.attacks.words import has_eps
from robust.records.curve import Curve as Distances
from robust.report.board import Board, Row
from robust.report.page.axes import Axes, pad_bounds
from robust.report.page.marks import colour, legend, shape
from robust.report.page.markup import Html, number, tag, void
from robust.report.page.names import ModelKey, model_key
from robust.stats import wilson

MAX_CURVES = 8  # in one chart
PIECES = 160  # of a line
NOTE = (
    "Each mark is a row, with the band of its 95 % interval; the mark at 0 is the clean accuracy. Nothing was measured "
    "between the marks."
)
LINES = (
    "A line is read off each sample's smallest adversarial distance that was found and verified, with the band of its "
    "95 % interval; so it is an upper bound. Each mark is a row; the mark at 0 is the clean accuracy."
)
PROOFS = " The dotted lines are what is certified."
BETWEEN = (
    " The dotted lines are what is certified, read off each sample's certified radius: the true robust accuracy of "
    "these samples lies between the two. There the band goes from the lower end of the one's 95 % interval to the "
    "upper end of the other's."
)


class Group(NamedTuple):
    """The data, norm, criterion and suite of curves that may stand in one chart."""

    data: str
    norm: str
    criterion: str  # "" if it is `class`
    suite: str

    @property
    def title(self) -> str:
        return ", ".join(filter(None, self[:3]))


@dataclass(frozen=True, slots=True)
class Curve:
    """The accuracies of one model from eps = 0, where it is the clean accuracy, upwards."""

    model: ModelKey
    group: Group
    points: tuple[tuple[Fraction, str, float, float, float], ...]  # (eps, as written, percent, low, high)
    certified: tuple[tuple[Fraction, float], ...] = ()  # (eps, percent), where a row has a certificate
    line: tuple[tuple[float, float, float, float], ...] = ()  # (eps, percent, low, high), where a row has a curve
    proof: tuple[tuple[float, float, float], ...] = ()  # (eps, percent, low), where it has certified radii
    end: tuple[Fraction, str] | None = None  # of the line, and as written

    @property
    def label(self) -> str:
        return f"{self.model[1]} ({self.model[2]})"


def curves(boards: Sequence[Board]) -> list[Curve]:
    """Return the curves of models, for one norm, criterion, suite and set of samples.

    A model has one if a row of it has, or if it has complete rows at two or more eps.
    """
    rows = [row for board in boards for row in board.rows if row.rank is not None and has_eps(row.record.threat)]

    def key(row: Row) -> tuple[Group, ModelKey, str]:
        record = row.record
        norm, _ = parse_threat(record.threat)
        criterion = record.criterion["name"]
        group = Group(record.data.name, norm, "" if criterion == DEFAULT else criterion, record.suite)
        return group, model_key(record), record.data.digest

    made = []
    for (group, model, _), members in groupby(sorted(rows, key=key), key):
        points = {parse_threat(row.record.threat)[1]: row for row in members}
        known = [row.record.curve for row in points.values() if row.record.curve]
        if len(points) > 1 or known:
            longest = max(known, key=lambda curve: curve.last, default=None)
            lines = (_line(longest), _proof(longest), _end(longest))
            made.append(Curve(model, group, _points(points), _certified(points), *lines))
    return made


def group_curves(boards: Sequence[Board]) -> dict[ModelKey, list[Curve]]:
    """Return the curves of each model that has any."""
    grouped: dict[ModelKey, list[Curve]] = {}
    for curve in curves(boards):
        grouped.setdefault(curve.model, []).append(curve)
    return grouped


def _points(rows: dict[Fraction, Row]) -> tuple[tuple[Fraction, str, float, float, float], ...]:
    first = rows[min(rows)]
    low, high = wilson(int(first.record.correct.sum()), first.record.data.n)
    start = (Fraction(0), "0", first.clean, 100 * low, 100 * high)
    return (start, *((e, r.record.threat.partition(":")[2], r.robust, r.low, r.high) for e, r in sorted(rows.items())))


def _line(curve: Distances | None) -> tuple[tuple[float, float, float, float], ...]:
    """Return the robust accuracy with its interval at radii from 0 to the curve's end."""
    if curve is None:
        return ()
    points, n = [], len(curve.distance)
    for k in range(PIECES + 1):
        eps = curve.last * k / PIECES
        robust = int(curve.robust_at(eps).sum())
        low, high = wilson(robust, n)
        points.append((eps, 100 * robust / n, 100 * low, 100 * high))
    return tuple(points)


def _proof(curve: Distances | None) -> tuple[tuple[float, float, float], ...]:
    """Return what is certified with the lower end of its interval, at the same radii."""
    if curve is None or curve.proved is None:
        return ()
    points, n = [], len(curve.distance)
    for k in range(PIECES + 1):
        eps = curve.last * k / PIECES
        certified = int(curve.certified_at(eps).sum())
        points.append((eps, 100 * certified / n, 100 * wilson(certified, n)[0]))
    return tuple(points)


def _end(curve: Distances | None) -> tuple[Fraction, str] | None:
    return None if curve is None else (parse_threat(curve.end)[1], curve.end.partition(":")[2])


def _certified(rows: dict[Fraction, Row]) -> tuple[tuple[Fraction, float], ...]:
    return tuple((eps, row.certified) for eps, row in sorted(rows.items()) if row.certified is not None)


def chart(group: Sequence[Curve], title: str) -> Html:
    """Draw the curves of one group, at most MAX_CURVES: those that are highest at their largest eps."""
    shown = sorted(group, key=lambda curve: (-curve.points[-1][2], curve.label))[:MAX_CURVES]
    ticks = {eps: text for curve in shown for eps, text, *_ in curve.points}
    ticks |= {curve.end[0]: curve.end[1] for curve in shown if curve.end}
    accuracies = [bound for curve in shown for point in curve.points for bound in point[3:]]
    accuracies += [percent for curve in shown for _, percent in curve.certified]
    accuracies += [bound for curve in shown for point in curve.line for bound in point[2:]]
    accuracies += [bound for curve in shown for point in curve.proof for bound in point[1:]]
    axes = Axes(0, float(max(ticks)), *pad_bounds(accuracies), height=260 if title else 200)
    norm, suite = group[0].group.norm, group[0].group.suite
    left_out = f", the {MAX_CURVES} best of {len(group)} models" if len(group) > MAX_CURVES else ""
    drawn = tag(
        "svg",
        tag(
            "title",
            f"Accuracy against eps, {norm}: ",
            "; ".join(f"{curve.label} {_describe(curve)}" for curve in shown),
        ),
        axes.frame(f"eps, {norm}", "accuracy, %", [(float(eps), text) for eps, text in sorted(ticks.items())]),
        *(_curve(axes, curve, k) for k, curve in enumerate(shown)),
        viewBox=f"0 0 {axes.width} {axes.height}",
        class_="chart",
        role="img",
    )
    caption = (
        tag(
            "figcaption",
            legend([(curve.label, k) for k, curve in enumerate(shown)]),
            tag(
                "p",
                f"{suite}{left_out}. {_explain(shown)}",
            ),
        )
        if title
        else None
    )
    return tag("figure", tag("h3", title) if title else None, drawn, caption, class_="plot")


def _explain(shown: Sequence[Curve]) -> str:
    note = LINES if any(curve.line for curve in shown) else NOTE
    if any(curve.proof for curve in shown):
        return f"{note}{BETWEEN}"
    return f"{note}{PROOFS * any(curve.certified for curve in shown)}"


def _curve(axes: Axes, curve: Curve, k: int) -> Html:
    drawn = curve.line or tuple((float(eps), y, low, high) for eps, _, y, low, high in curve.points)
    upper = [f"{number(axes.x(eps))} {number(axes.y(high))}" for eps, _, _, high in drawn]
    edge = curve.proof or tuple((eps, y, low) for eps, y, low, _ in drawn)
    lower = [f"{number(axes.x(eps))} {number(axes.y(low))}" for eps, _, low in reversed(edge)]
    proved = [(eps, y) for eps, y, _ in curve.proof] or [(float(eps), y) for eps, y in curve.certified]
    marks = (
        void("use", href=shape(k), x=number(axes.x(float(eps))), y=number(axes.y(y)))
        for eps, _, y, _, _ in curve.points
    )
    return tag(
        "g",
        void("path", class_="band", d=f"M{'L'.join(upper + lower)}z"),
        void("path", class_="line", d=axes.polyline((eps, y) for eps, y, _, _ in drawn)),
        void("path", class_="proof", d=axes.polyline(proved)) if proved else None,
        *marks,
        class_=colour(k),
    )


def _describe(curve: Curve) -> str:
    figures = ", ".join(f"{y:.1f} % at {text}" for _, text, y, _, _ in curve.points)
    proved = ", ".join(f"{percent:.1f} % at {float(eps):.3g}" for eps, percent in curve.certified)
    return f"{figures}{f'; certified {proved}' if proved else ''}"
