"""The charts of a training's report: lines by epoch, and the gradients' lengths by layer and epoch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from robust.report.page.axes import Axes
from robust.report.page.markup import Html, join, number, tag, void
from robust.train.curves import epoch_ticks
from robust.train.gradients import find_faulty
from robust.train.validate import Epoch

MARKED = 40  # epochs up to which each has a mark on its line
SHADES = 9
MAX_COLUMNS = 120  # epochs of which the gradients are drawn
ROW, NAME, LAST = 17, 34, 6  # the height of a layer's row; the letters of a name; the width of a letter


@dataclass(frozen=True, slots=True)
class Line:
    """A figure by epoch."""

    name: str
    colour: int  # the number of the page's colour
    points: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, curve: Sequence[Epoch], name: str, colour: int, field: str, scale: float = 1.0) -> "Line":
        """Return the line of a field of the epochs; without points where it was not measured."""
        values = [(epoch.number, getattr(epoch, field)) for epoch in curve]
        return cls(name, colour, tuple((k, scale * value) for k, value in values if value is not None))


def line_chart(
    title: str, unit: str, lines: Sequence[Line], best: int, *, lost: bool = False, top: float = 0.0, width: int = 720
) -> Html:
    """Draw lines by epoch, with a mark at the best one; `lost` shades what comes after it. `top` ends the axis."""
    lines = [line for line in lines if line.points]
    epochs = [k for line in lines for k, _ in line.points]
    values = [value for line in lines for _, value in line.points if math.isfinite(value)]
    last = max(epochs, default=1)
    low, high = min(0.0, *values, 0.0), top or 1.05 * max([*values, 0.0]) or 1.0
    axes = Axes(1 if last > 1 else 0, max(last, 2), low, high, width=width, height=240, left=44, right=14)
    ticks = [(float(k), str(k)) for k in epoch_ticks(last)]
    drawn = tag(
        "svg",
        tag("title", f"{title}: ", "; ".join(map(_describe, lines))),
        axes.frame("epoch", unit, ticks),
        _overfitting(axes, best, last) if lost else None,
        void("path", class_="front", d=axes.upright(best)),
        tag("text", "best", x=number(axes.x(best)), y=axes.top - 4, class_="best"),
        *(_line(axes, line) for line in lines),
        viewBox=f"0 0 {axes.width} {axes.height}",
        class_="chart",
        role="img",
    )
    keys = (tag("li", tag("b", "\u25ac ", class_=f"c{line.colour}"), line.name) for line in lines)
    return tag("figure", tag("h3", title), drawn, tag("ul", *keys, class_="legend"), class_="plot")


def _line(axes: Axes, line: Line) -> Html:
    points = [(x, y) for x, y in line.points if math.isfinite(y)]
    marks = (void("circle", cx=number(axes.x(x)), cy=number(axes.y(y)), r=3) for x, y in points)
    path = void("path", class_="line", d=axes.polyline(points)) if len(points) > 1 else None
    return tag("g", path, *(marks if len(points) <= MARKED else ()), class_=f"c{line.colour}")


def _describe(line: Line) -> str:
    return f"{line.name} from {line.points[0][1]:.3g} to {line.points[-1][1]:.3g}"


def _overfitting(axes: Axes, best: int, last: int) -> Html:
    """Shade the epochs after the best."""
    left, right = axes.x(best), axes.x(last)
    box = {"x": number(left), "y": axes.top, "width": number(right - left), "height": axes.y_end - axes.top}
    words = tag("text", "robust overfitting", x=number(right - 4), y=axes.y_end - 8, class_="lost")
    return join(void("rect", class_="shade", **box), words)


def lengths_chart(curve: Sequence[Epoch]) -> Html:
    """Draw the lengths of the gradients: a row for each layer, a column for each epoch, darker where they are longer.

    A frame is around those that vanish or explode.
    """
    shown = curve[:: -(-len(curve) // MAX_COLUMNS)]
    layers = [*curve[0].gradients]
    low, high = find_range(shown)
    left, end = 10 + LAST * min(NAME, max(map(len, layers))), 660
    axes = Axes(0, len(shown), 0, len(layers), left=left, right=720 - end, top=6, height=46 + ROW * len(layers))
    cells: dict[str, list[str]] = {}
    for x, epoch in enumerate(shown):
        faulty = {layer for found in find_faulty(epoch.gradients).values() for layer in found}
        for row, layer in enumerate(layers):
            path = _cell(axes, x, len(layers) - row)
            cells.setdefault(f"g{shade(epoch.gradients[layer], low, high)}", []).append(path)
            if layer in faulty:
                cells.setdefault("fault", []).append(path)
    names = [
        tag("text", _shorten(layer), x=left - 6, y=number(axes.y(len(layers) - row - 0.5) + 3))
        for row, layer in enumerate(layers)
    ]
    lasts = [
        tag("text", f"{curve[-1].gradients[layer]:.1e}", x=end + 6, y=number(axes.y(len(layers) - row - 0.5) + 3))
        for row, layer in enumerate(layers)
    ]
    stride = -(-len(shown) // 12)
    below = [
        tag("text", epoch.number, x=number(axes.x(k + 0.5)), y=axes.y_end + 14)
        for k, epoch in enumerate(shown)
        if k % stride == 0
    ]
    return tag(
        "svg",
        tag("title", f"Lengths of the gradients of {len(layers)} layers in {len(curve)} epochs"),
        *(void("path", class_=name, d="".join(cells[name])) for name in sorted(cells, key="fault".__eq__)),
        tag("g", *names, class_="beside"),
        tag("g", *lasts, class_="lasts"),
        tag("g", *below, class_="below"),
        tag("text", "epoch", class_="title", x=end, y=axes.height - 4),
        tag("text", "last", class_="title first", x=end + 6, y=axes.height - 4),
        viewBox=f"0 0 720 {axes.height}",
        class_="chart lengths",
        role="img",
    )


def _cell(axes: Axes, x: int, y: int) -> str:
    """Return the path of a cell; x and y are its left upper corner."""
    left, right, upper, lower = axes.x(x), axes.x(x + 1), axes.y(y), axes.y(y - 1)
    return f"M{number(left)} {number(upper)}H{number(right)}V{number(lower)}H{number(left)}z"


def find_range(curve: Sequence[Epoch]) -> tuple[float, float]:
    """Return the decimal logarithms of the shortest and the longest gradient; of one length, a decade around it."""
    logs = [_log(length) for epoch in curve for length in epoch.gradients.values() if 0 < length < math.inf]
    low, high = min(logs, default=0.0), max(logs, default=0.0)
    return (low, high) if high - low > 0.1 else (low - 0.5, high + 0.5)


def shade(length: float, low: float, high: float) -> int:
    """Return the shade of a length, from 0 for the shortest to 8, on a logarithmic scale between low and high."""
    share = (_log(length) - low) / (high - low)
    return 0 if math.isnan(share) else min(SHADES - 1, max(0, math.floor(SHADES * min(1.0, max(0.0, share)))))


def _log(length: float) -> float:
    return math.log10(length) if length > 0 else -math.inf


def _shorten(name: str) -> str:
    return name if len(name) <= NAME else f"\u2026{name[1 - NAME :]}"
