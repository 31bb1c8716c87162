"""A training's curves as CSV and as a picture: pure functions to strings. SVG by hand: one chart needs no library."""

import csv
import io
from collections.abc import Iterable, Sequence

from robust.train.validate import Epoch

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 48, 110, 24, 36  # margins
LINES = (("clean", "#1b6ac9"), ("one_step", "#b8860b"), ("robust", "#b3261e"))


def curve_csv(curve: Sequence[Epoch]) -> str:
    """A row for each epoch; accuracies are shares of the validation split."""
    rows = [(e.number, e.loss, e.lr, e.clean, e.robust, e.one_step, e.worst_class) for e in curve]
    return _csv([("epoch", "loss", "lr", "clean", "robust", "one_step", "worst_class"), *rows])


def gradients_csv(curve: Sequence[Epoch]) -> str:
    """A row for each epoch, a column for each layer: the mean length of its gradient."""
    layers = [*curve[0].gradients]
    return _csv([("epoch", *layers), *((e.number, *(e.gradients[layer] for layer in layers)) for e in curve)])


def curve_svg(curve: Sequence[Epoch], best: int, title: str) -> str:
    """The accuracies from epoch to epoch, and a mark at the epoch numbered `best`."""
    last = max(curve[-1].number, 2)

    def across(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (epoch - 1) / (last - 1)

    def up(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><title>{_escaped(title)}</title><rect width="100%" height="100%" fill="white"/>'
    ]
    for percent in range(0, 101, 20):
        y = up(percent / 100)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>')
    parts += [f'<text x="{across(n):.1f}" y="{HEIGHT - 14}" text-anchor="middle">{n}</text>' for n in _ticks(last)]
    x = across(best)
    parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#777" stroke-dasharray="4 3"/>')
    parts.append(f'<text x="{x:.1f}" y="{TOP - 8}" text-anchor="middle" fill="#777">best</text>')
    for k, (name, colour) in enumerate(LINES):
        points = [(e.number, share) for e in curve if (share := getattr(e, name)) is not None]
        if points:
            path = " ".join(f"{across(number):.1f},{up(share):.1f}" for number, share in points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            label = name.replace("_", " ")
            parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 12 + 18 * k}" fill="{colour}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _ticks(last: int) -> list[int]:
    stride = max(1, -(-last // 8))
    return [*range(stride, last + 1, stride)]


def _csv(rows: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
