"""Charts of accuracy against eps, for models with rows of one suite at several eps."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from robust.attacks.words import has_eps, parse_threat
from robust.report.board import Board, Row
from robust.report.page.axes import Axes, pad_bounds
from robust.report.page.marks import colour, legend, shape
from robust.report.page.markup import Html, number, tag, void
from robust.report.page.names import ModelKey, model_key
from robust.stats import wilson

MAX_CURVES = 8  # in one chart
NOTE = (
    "Each mark is a row, with the band of its 95 % interval; the mark at 0 is the clean accuracy. Nothing was measured "
    "between the marks."
)
PROOFS = " The dotted lines are what is certified."

Group = tuple[str, str, str]  # data, norm, suite


@dataclass(frozen=True, slots=True)
class Curve:
    """The accuracies of one model from eps = 0, where it is the clean accuracy, upwards."""

    model: ModelKey
    group: Group
    points: tuple[tuple[Fraction, str, float, float, float], ...]  # (eps, as written, percent, low, high)
    certified: tuple[tuple[Fraction, float], ...] = ()  # (eps, percent), where a row has a certificate

    @property
    def label(self) -> str:
        return f"{self.model[1]} ({self.model[2]})"


def curves(boards: Sequence[Board]) -> list[Curve]:
    """Return the curves of models with complete rows at two or more eps, for one norm, suite and set of samples."""
    rows = [row for board in boards for row in board.rows if row.rank is not None and has_eps(row.record.threat)]

    def key(row: Row) -> tuple[Group, ModelKey, str]:
        record = row.record
        norm, _ = parse_threat(record.threat)
        return (record.data.name, norm, record.suite), model_key(record), record.data.digest

    made = []
    for (group, model, _), members in groupby(sorted(rows, key=key), key):
        points = {parse_threat(row.record.threat)[1]: row for row in members}
        if len(points) > 1:
            made.append(Curve(model, group, _points(points), _certified(points)))
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


def _certified(rows: dict[Fraction, Row]) -> tuple[tuple[Fraction, float], ...]:
    return tuple((eps, row.certified) for eps, row in sorted(rows.items()) if row.certified is not None)


def chart(group: Sequence[Curve], title: str) -> Html:
    """Draw the curves of one group, at most MAX_CURVES: those that are highest at their largest eps."""
    shown = sorted(group, key=lambda curve: (-curve.points[-1][2], curve.label))[:MAX_CURVES]
    ticks = {eps: text for curve in shown for eps, text, *_ in curve.points}
    accuracies = [bound for curve in shown for point in curve.points for bound in point[3:]]
    accuracies += [percent for curve in shown for _, percent in curve.certified]
    axes = Axes(0, float(max(ticks)), *pad_bounds(accuracies), height=260 if title else 200)
    _, norm, suite = group[0].group
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
            tag("p", f"{suite}{left_out}. {NOTE}{PROOFS * any(curve.certified for curve in shown)}"),
        )
        if title
        else None
    )
    return tag("figure", tag("h3", title) if title else None, drawn, caption, class_="plot")


def _curve(axes: Axes, curve: Curve, k: int) -> Html:
    at = [(number(axes.x(float(eps))), y, low, high) for eps, _, y, low, high in curve.points]
    upper = [f"{x} {number(axes.y(high))}" for x, _, _, high in at]
    lower = [f"{x} {number(axes.y(low))}" for x, _, low, _ in reversed(at)]
    marks = (void("use", href=shape(k), x=x, y=number(axes.y(y))) for x, y, _, _ in at)
    return tag(
        "g",
        void("path", class_="band", d=f"M{'L'.join(upper + lower)}z"),
        void("path", class_="line", d=axes.polyline((float(eps), y) for eps, _, y, _, _ in curve.points)),
        void("path", class_="proof", d=axes.polyline((float(e), y) for e, y in curve.certified))
        if curve.certified
        else None,
        *marks,
        class_=colour(k),
    )


def _describe(curve: Curve) -> str:
    figures = ", ".join(f"{y:.1f} % at {text}" for _, text, y, _, _ in curve.points)
    proved = ", ".join(f"{percent:.1f} % at {float(eps):.3g}" for eps, percent in curve.certified)
    return f"{figures}{f'; certified {proved}' if proved else ''}"
