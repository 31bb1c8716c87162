"""The axes of a chart: scales, ticks and grid, in a viewBox of fixed size that grows with the page."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from robust.report.page.markup import Html, join, number, tag, void


@dataclass(frozen=True, slots=True)
class Axes:
    """Scales for values from x0 to x1 and from y0 to y1 in an image of this size, with these margins."""

    x0: float
    x1: float
    y0: float
    y1: float
    width: int = 720
    height: int = 340
    left: int = 34
    right: int = 10
    top: int = 24
    bottom: int = 34

    @property
    def x_end(self) -> int:
        """The right end of the plot."""
        return self.width - self.right

    @property
    def y_end(self) -> int:
        """The lower end of the plot."""
        return self.height - self.bottom

    def x(self, value: float) -> float:
        """Return the horizontal coordinate of a value."""
        return self.left + (value - self.x0) / (self.x1 - self.x0) * (self.x_end - self.left)

    def y(self, value: float) -> float:
        """Return the vertical coordinate of a value."""
        return self.y_end - (value - self.y0) / (self.y1 - self.y0) * (self.y_end - self.top)

    def across(self, value: float) -> str:
        """Return the path of a line across the plot at a value of y."""
        return f"M{self.left} {number(self.y(value))}H{self.x_end}"

    def upright(self, value: float) -> str:
        """Return the path of a line up the plot at a value of x."""
        return f"M{number(self.x(value))} {self.top}V{self.y_end}"

    def polyline(self, points: Iterable[tuple[float, float]]) -> str:
        """Return the path of the line through (x, y) points, given as values."""
        return "M" + "L".join(f"{number(self.x(x))} {number(self.y(y))}" for x, y in points)

    def frame(self, x_title: str, y_title: str, ticks: list[tuple[float, str]] | None = None) -> Html:
        """Return grid, labels and titles; `ticks` are (value, label) of the x axis, by default round numbers."""
        below = ticks or [(value, f"{value:g}") for value in round_ticks(self.x0, self.x1)]
        beside = round_ticks(self.y0, self.y1)
        lines = [*map(self.across, beside), *(self.upright(value) for value, _ in below)]
        return join(
            void("path", class_="grid", d="".join(lines)),
            tag(
                "g", *(tag("text", label, x=number(self.x(v)), y=self.y_end + 14) for v, label in below), class_="below"
            ),
            tag(
                "g", *(tag("text", f"{v:g}", x=self.left - 6, y=number(self.y(v) + 3)) for v in beside), class_="beside"
            ),
            tag("text", x_title, class_="title", x=self.x_end, y=self.height - 4),
            tag("text", y_title, class_="title first", x=0, y=10),
        )


def pad_bounds(values: list[float], least: float = 4.0) -> tuple[float, float]:
    """Return bounds in percent around the values, with some room and at least `least` apart."""
    low, high = min(values), max(values)
    room = max(0.06 * (high - low), (least - (high - low)) / 2, 0.5)
    return max(0.0, low - room), min(100.0, high + room)


def round_ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Return round numbers within the bounds, `about` as many."""
    raw = (high - low) / about
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= raw)
    return [round(k * step, 10) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
