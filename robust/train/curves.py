"""The curves of a training as CSV and as an SVG image: pure functions to strings."""

import csv
import io
from collections.abc import Iterable, Sequence

from robust.report.page.axes import Axes
from robust.report.page.markup import number, text
from robust.train.validate import Epoch

LINES = (("clean", "#1b6ac9"), ("one_step", "#b8860b"), ("robust", "#b3261e"), ("certified", "#2e7d32"))


def curve_csv(curve: Sequence[Epoch]) -> str:
    """Return a row for each epoch; accuracies are shares of the validation split."""
    rows = [(e.number, e.loss, e.lr, e.clean, e.robust, e.one_step, e.worst_class, e.certified) for e in curve]
    return _csv([("epoch", "loss", "lr", "clean", "robust", "one_step", "worst_class", "certified"), *rows])


def gradients_csv(curve: Sequence[Epoch]) -> str:
    """Return a row for each epoch and a column for each layer: the mean norm of its gradient."""
    layers = [*curve[0].gradients]
    return _csv([("epoch", *layers), *((e.number, *(e.gradients[layer] for layer in layers)) for e in curve)])


def read_gradients(content: str) -> list[dict[str, float]]:
    """Return the mean norms by layer, of each epoch, from what `gradients_csv` has written; ValueError for else."""
    rows = [*csv.reader(io.StringIO(content))]
    if not rows or rows[0][:1] != ["epoch"]:
        raise ValueError("is no table of gradients")
    return [dict(zip(rows[0][1:], map(float, row[1:]), strict=True)) for row in rows[1:]]


def curve_svg(curve: Sequence[Epoch], best: int, title: str) -> str:
    """Draw the accuracies by epoch, with a mark at the epoch numbered `best`."""
    last = max(curve[-1].number, 2)
    axes = Axes(1, last, 0, 100, width=640, height=360, left=48, right=110, bottom=36)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {axes.width} {axes.height}" font-family="sans-serif" '
        f'font-size="12"><title>{text(title)}</title><rect width="100%" height="100%" fill="white"/>'
    ]
    for percent in range(0, 101, 20):
        y = number(axes.y(percent) + 4)
        parts.append(f'<path d="{axes.across(percent)}" stroke="#ddd"/>')
        parts.append(f'<text x="{axes.left - 6}" y="{y}" text-anchor="end">{percent} %</text>')
    parts += [
        f'<text x="{number(axes.x(epoch))}" y="{axes.y_end + 22}" text-anchor="middle">{epoch}</text>'
        for epoch in epoch_ticks(last)
    ]
    parts.append(f'<path d="{axes.upright(best)}" stroke="#777" stroke-dasharray="4 3"/>')
    parts.append(f'<text x="{number(axes.x(best))}" y="{axes.top - 8}" text-anchor="middle" fill="#777">best</text>')
    for k, (name, colour) in enumerate(LINES):
        points = [(e.number, 100 * share) for e in curve if (share := getattr(e, name)) is not None]
        if points:
            parts.append(f'<path d="{axes.polyline(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
            label, y = name.replace("_", " "), str(axes.top + 12 + 18 * k)
            parts.append(f'<text x="{axes.x_end + 12}" y="{y}" fill="{colour}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def epoch_ticks(last: int) -> list[int]:
    """Return the epochs that an axis names, of those up to `last`."""
    stride = max(1, -(-last // 8))
    return [*range(stride, last + 1, stride)]


def _csv(rows: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
