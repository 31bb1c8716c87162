"""The chart of a row's accuracy against the queries of a sample, for attacks that only ask."""

import math

from robust.records.attack_outcome import AttackOutcome
from robust.records.queries import list_marks, queries_of, robust_after
from robust.report.board import Row
from robust.report.page.axes import Axes, pad_bounds
from robust.report.page.marks import colour, legend, shape
from robust.report.page.markup import Html, number, tag, void
from robust.report.queries import describe_queries
from robust.stats import wilson

PIECES = 120  # of a line
LEAST = 10  # queries of which there is a chart
NOTE = (
    "The robust accuracy, had the attack ended after so many queries of each sample, with the band of its 95 % "
    "interval; a query is an answer that the model gave, the clean sample's included. More queries would find more, so "
    "it is an upper bound."
)
Points = list[tuple[float, float, float, float]]  # (logarithm of the queries, percent, low, high)


def section(row: Row) -> Html | None:
    """Draw the accuracies of a row against queries; None if no attack of it counts them."""
    attacks = [attack for attack in row.record.attacks if attack.asked >= LEAST and queries_of(attack) is not None]
    if not attacks:
        return None
    lines = [_points(attack) for attack in attacks]
    asked = max(attack.asked for attack in attacks)
    axes = Axes(0, math.log10(asked), *pad_bounds([bound for line in lines for point in line for bound in point[2:]]))
    ticks = [mark for mark in (1, *list_marks(asked)) if mark == asked or 2 * mark < asked]
    drawn = tag(
        "svg",
        tag("title", f"Accuracy against queries: {'; '.join(describe_queries(row))}"),
        axes.frame("queries of a sample", "accuracy, %", [(math.log10(mark), f"{mark:,}") for mark in ticks]),
        *(_line(axes, line, k) for k, line in enumerate(lines)),
        viewBox=f"0 0 {axes.width} {axes.height}",
        class_="chart",
        role="img",
    )
    names = legend([(attack.name, k) for k, attack in enumerate(attacks)])
    return tag("figure", drawn, tag("figcaption", names, tag("p", NOTE)), class_="plot")


def _points(attack: AttackOutcome) -> Points:
    """Return the accuracies of an attack from the clean one, after the first query, to the last query of any sample."""
    queries, points = queries_of(attack), []
    assert queries is not None
    for k in range(PIECES + 1):
        at = math.log10(attack.asked) * k / PIECES
        robust = int(robust_after(queries, round(10**at, 6)).sum())
        low, high = wilson(robust, len(queries))
        points.append((at, 100 * robust / len(queries), 100 * low, 100 * high))
    return points


def _line(axes: Axes, points: Points, k: int) -> Html:
    upper = [f"{number(axes.x(x))} {number(axes.y(high))}" for x, _, _, high in points]
    lower = [f"{number(axes.x(x))} {number(axes.y(low))}" for x, _, low, _ in reversed(points)]
    x, y, _, _ = points[-1]
    return tag(
        "g",
        void("path", class_="band", d=f"M{'L'.join(upper + lower)}z"),
        void("path", class_="line", d=axes.polyline((x, y) for x, y, _, _ in points)),
        void("use", href=shape(k), x=number(axes.x(x)), y=number(axes.y(y))),
        class_=colour(k),
    )
