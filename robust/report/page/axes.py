"""The frame of a chart: scales, ticks and grid, in a viewBox of fixed size that grows with the page."""

import math
from dataclasses import dataclass

from robust.report.page.markup import Html, join, number, tag, void

LEFT, RIGHT, TOP, BOTTOM = 34, 10, 24, 34


@dataclass(frozen=True, slots=True)
class Axes:
    """Values from x0 to x1 and from y0 to y1 on a picture of that size."""

    x0: float
    x1: float
    y0: float
    y1: float
    width: int = 720
    height: int = 340

    def x(self, value: float) -> float:
        return LEFT + (value - self.x0) / (self.x1 - self.x0) * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return self.height - BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (self.height - TOP - BOTTOM)

    def frame(self, x_title: str, y_title: str, ticks: list[tuple[float, str]] | None = None) -> Html:
        """Grid and titles; `ticks` are those below, (where, text), by default round numbers."""
        below = ticks or [(value, f"{value:g}") for value in round_ticks(self.x0, self.x1)]
        beside = round_ticks(self.y0, self.y1)
        right, bottom = self.width - RIGHT, self.height - BOTTOM
        lines = [f"M{LEFT} {number(self.y(value))}H{right}" for value in beside]
        lines += [f"M{number(self.x(value))} {TOP}V{bottom}" for value, _ in below]
        return join(
            void("path", class_="grid", d="".join(lines)),
            tag("g", *(tag("text", label, x=number(self.x(v)), y=bottom + 14) for v, label in below), class_="below"),
            tag("g", *(tag("text", f"{v:g}", x=LEFT - 6, y=number(self.y(v) + 3)) for v in beside), class_="beside"),
            tag("text", x_title, class_="title", x=right, y=self.height - 4),
            tag("text", y_title, class_="title first", x=0, y=10),
        )


def around(values: list[float], least: float = 4.0) -> tuple[float, float]:
    """Bounds in percent that hold the values with some room, at least so far apart."""
    low, high = min(values), max(values)
    room = max(0.06 * (high - low), (least - (high - low)) / 2, 0.5)
    return max(0.0, low - room), min(100.0, high + room)


def round_ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers within the bounds, about so many."""
    raw = (high - low) / about
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= raw)
    return [round(k * step, 10) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
