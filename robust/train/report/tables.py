"""The tables of a training's report: confusions, scores, layers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from robust.report.page.markup import Html, join, tag
from robust.train.card import SELECTION_NAME
from robust.train.report.inspection import Inspection, count_confusion
from robust.train.report.layers import Layer

MAX_CLASSES = 20  # of a matrix; of more classes the pairs that are confused most are shown
MAX_PAIRS = 20
QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)


def confusions(seen: Inspection) -> Html:
    """Return the confusions of the answers, clean and attacked; of labels that are no classes, the scores."""
    if seen.labels is None or seen.answers is None:
        return join()
    pairs = zip(("clean", f"under {SELECTION_NAME}"), seen.answers, strict=True)
    return join(*(_confusion(title, count_confusion(seen.labels, answers)) for title, answers in pairs))


def _confusion(title: str, counts: NDArray[np.int64]) -> Html:
    if len(counts) > MAX_CLASSES:
        return _worst_pairs(title, counts)
    head = tag("tr", tag("th", "label \\ answer"), *(tag("th", k) for k in range(len(counts))))
    rows = []
    for label, row in enumerate(counts.tolist()):
        of = max(1, sum(row))
        cells = (tag("td", n or "", class_=_tint(n / of, answer == label)) for answer, n in enumerate(row))
        rows.append(tag("tr", tag("th", label), *cells))
    caption = tag("caption", f"{title}: samples by label and answer")
    return tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="heat confusion")


def _tint(share: float, right: bool) -> str:
    """Return the class of a cell's colour: one hue for right answers, another for wrong ones, in five steps."""
    step = min(4, int(5 * share)) if share >= 0.05 else None
    return "e" if step is None else f"{'r' if right else 'w'}{step}"


def _worst_pairs(title: str, counts: NDArray[np.int64]) -> Html:
    wrong = counts * (1 - np.eye(len(counts), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_PAIRS]
    places = [divmod(int(place), len(counts)) for place in order if wrong.flat[place]]
    rows = [
        tag("tr", tag("th", label), tag("td", answer), tag("td", int(wrong[label, answer])), tag("td", of))
        for label, answer in places
        if (of := int(counts[label].sum()))
    ]
    head = tag("tr", *(tag("th", name) for name in ("label", "answer", "samples", "of")))
    caption = tag("caption", f"{title}: the {len(rows)} pairs of {len(counts)} classes that are confused most")
    return tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="attacks")


def scores(seen: Inspection, name: str) -> Html:
    """Return the table of the criterion's scores, clean and attacked."""
    heads = ("mean", *(f"{100 * q:.0f} % are at most" for q in QUANTILES[1:-1]))
    names = ("", "mean", "smallest", *heads[1:], "largest")
    rows = []
    for title, values in zip(("clean", f"under {SELECTION_NAME}"), seen.scores, strict=True):
        figures = (values.mean(), *np.quantile(values, QUANTILES))
        rows.append(tag("tr", tag("th", title), *(tag("td", f"{figure:.4g}") for figure in figures)))
    head = tag("tr", *(tag("th", each) for each in names))
    caption = tag("caption", f"{name}, by sample")
    return tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="attacks even")


def layers(seen: Inspection) -> Html:
    """Return the table of the layers: dead units, and statistics of the outputs, clean and attacked."""
    attacked = {layer.name: layer for layer in seen.attacked}
    figures = ("zeros %", "mean", "deviation", "largest")
    over = tag(
        "tr",
        tag("th", colspan=4),
        tag("th", f"clean, {len(seen.correct):,} samples", colspan=4),
        tag("th", f"adversarial, {seen.found:,} inputs", colspan=4) if attacked else None,
    )
    names = ("layer", "kind", "units", "dead", *figures, *(figures if attacked else ()))
    head = tag("tr", *(tag("th", name) for name in names))
    rows = (_layer(layer, attacked.get(layer.name), bool(attacked)) for layer in seen.layers)
    return tag("table", tag("thead", over, head), tag("tbody", *rows), class_="attacks layers")


def _layer(layer: Layer, attacked: Layer | None, two: bool) -> Html:
    units = (f"{layer.units:,}", f"{layer.dead:,}") if layer.units else ("", "")
    cells = [tag("td", layer.kind), tag("td", units[0]), tag("td", units[1], class_="doubt" if layer.dead else None)]
    cells += [tag("td", figure) for figure in _figures(layer)]
    if two:
        cells += [tag("td", figure) for figure in (_figures(attacked) if attacked else ("",) * 4)]
    return tag("tr", tag("th", layer.name), *cells)


def _figures(layer: Layer) -> Sequence[str]:
    plain = (layer.mean, layer.deviation, layer.largest)
    return (f"{100 * layer.zero_share:.1f}", *(f"{value:.3g}" for value in plain))
