"""The page of a training, from its card, the lengths of its gradients, and one look at its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from robust.attacks.criteria.registry import read_criterion
from robust.report.page.document import document
from robust.report.page.markup import Html, breakable, join, tag
from robust.report.trainings import note_training
from robust.train.card import SELECTION_NAME, describe_figures
from robust.train.failures import describe_collapse, describe_overfitting
from robust.train.gradients import EXPLODING, VANISHING, find_faulty
from robust.train.report import tables
from robust.train.report.charts import Line, lengths_chart, line_chart
from robust.train.report.inspection import Inspection
from robust.train.validate import Epoch

ACCURACIES = (("clean", 0, "clean"), ("one step", 5, "one_step"), (SELECTION_NAME, 4, "robust"))
CERTIFIED = ("certified by intervals", 2, "certified")
MAX_DEAD = 12  # layers that the findings name
HALF = 400  # the width of a chart that has another beside it


@dataclass(frozen=True, slots=True)
class Course:
    """The card and the epochs that a training has left behind."""

    card: dict[str, Any]
    curve: tuple[Epoch, ...]
    missing: str = ""  # why the epochs lack the gradients' lengths; "" if they have them

    @classmethod
    def of(cls, card: dict[str, Any], gradients: Sequence[dict[str, float]], missing: str = "") -> "Course":
        """Return the course of a card, with the gradients' lengths of each epoch."""
        lengths = gradients or [{}] * len(card["curve"])
        pairs = zip(card["curve"], lengths, strict=True)
        return cls(card, tuple(Epoch(**epoch, gradients=found) for epoch, found in pairs), missing)

    @property
    def best(self) -> Epoch:
        """The best epoch, whose weights were kept."""
        best: int = self.card["best"]["number"]
        return self.curve[best - 1]

    @property
    def overfitting(self) -> str | None:
        """A line on robust overfitting; None if there is none, or if the robustness collapsed in another way."""
        last = self.curve[-1]
        return None if describe_collapse(last, self.curve[:-1]) else describe_overfitting(self.best, last)


def training_page(course: Course, seen: Inspection, name: str) -> str:
    """Return the report on a training; `name` is that of the weights."""
    main = tag("main", *_findings(course, seen), *_curves(course), _gradients(course), *_look(course, seen), id="top")
    footer = tag("footer", tag("p", "Made by pytest-robust from the card beside the weights and one look at them."))
    style = files("robust.train.report").joinpath("report.css").read_text("utf-8")
    title = f"Training of {name}"
    note = note_training(course.card["key"])
    return document(title, _header(course, name), main, footer, style=style, note=note)


def _header(course: Course, name: str) -> Html:
    card, best = course.card, course.best
    suite = card.get("suite")
    facts = {
        "best epoch": f"{best.number} of {len(course.curve)}",
        "on validation": describe_figures(best.clean, best.robust, best.certified),
        "stronger": f"{suite['name']} {suite['robust']:.1%}, on {suite['n']} of the samples" if suite else "",
        "data": f"{card['data']['name']}: {card['learnt_from']['n']:,} samples to learn from, "
        f"{card['selected_by']['n']:,} for validation",
        "threat model": card["threat"],
        "criterion": card.get("criterion", ""),
        "seed": str(card["seed"]),
        "took": f"{card['minutes']:.1f} minutes, {card.get('device', '')}".rstrip(", "),
        "weights": f"{name}, sha256 {card['file'][:16]}",
    }
    pairs = (join(tag("dt", key), tag("dd", value)) for key, value in facts.items() if value)
    options = (join(tag("dt", key), tag("dd", _format(value))) for key, value in sorted(card["options"].items()))
    return tag(
        "header",
        tag("h1", "Training"),
        tag("p", breakable(card["recipe"]), class_="lead"),
        tag("dl", *pairs, class_="facts"),
        tag("details", tag("summary", "All options"), tag("dl", *options, class_="facts")),
    )


def _format(value: object) -> str:
    return "\u2013" if value is None or value == "" else str(value)


def _findings(course: Course, seen: Inspection) -> list[Html]:
    """Return what went wrong, and dead units, first of all."""
    notes = [*map(str, course.card["notes"])]
    if course.overfitting and course.overfitting not in notes:
        notes.append(course.overfitting)
    dead = [f"{layer.dead} of {layer.units} in {layer.name}" for layer in seen.layers if layer.dead]
    more = f" and in {len(dead) - MAX_DEAD} more" if len(dead) > MAX_DEAD else ""
    notes += [f"dead units: {', '.join(dead[:MAX_DEAD])}{more}"] * bool(dead)
    told = tag("ul", *(tag("li", note) for note in notes)) if notes else tag("p", "Nothing.", class_="note")
    return [tag("section", tag("h2", "What stands out", id="findings"), told, aria_labelledby="findings")]


def _curves(course: Course) -> list[Html]:
    curve, best = course.curve, course.best.number
    accuracies = [Line.of(curve, *line, 100.0) for line in (*ACCURACIES, CERTIFIED)]
    missing = [line.name for line in accuracies[1:] if not line.points]
    charts = (
        line_chart("Accuracy on validation", "%", accuracies, best, lost=bool(course.overfitting), top=100.0),
        line_chart("Loss of the training", "", [Line.of(curve, "mean of the epoch", 3, "loss")], best, width=HALF),
        line_chart("Learning rate", "", [Line.of(curve, "last step of the epoch", 6, "lr")], best, width=HALF),
    )
    note = f"Not measured, since this recipe does not select by it: {', '.join(missing)}." if missing else None
    lost = f"Shaded: {course.overfitting}." if course.overfitting else None
    texts = (tag("p", text, class_="note") for text in (note, lost) if text)
    section = (tag("h2", "Epochs", id="epochs"), charts[0], *texts, tag("div", *charts[1:], class_="pair"))
    return [tag("section", *section, aria_labelledby="epochs")]


def _gradients(course: Course) -> Html:
    heading = tag("h2", "Lengths of the gradients", id="gradients")
    if course.missing:
        return tag("section", heading, tag("p", course.missing, class_="note"), aria_labelledby="gradients")
    figure = tag(
        "figure",
        tag("div", lengths_chart(course.curve), class_="wide", tabindex=0),
        tag(
            "figcaption",
            tag(
                "p",
                "The mean length over the steps of an epoch, by layer; darker is longer, on a logarithmic scale. "
                f"Framed: below {VANISHING:g}, where they vanish, or above {EXPLODING:g}, where they explode.",
            ),
            _faulty(course.curve),
        ),
        class_="plot",
    )
    return tag("section", heading, figure, aria_labelledby="gradients")


def _faulty(curve: Sequence[Epoch]) -> Html:
    """Return the layers in which gradients vanish or explode, with the epochs."""
    found: dict[tuple[str, str], list[Epoch]] = {}
    for epoch in curve:
        for verb, names in find_faulty(epoch.gradients).items():
            for name in names:
                found.setdefault((verb, name), []).append(epoch)
    if not found:
        return tag("p", "They vanish nowhere, and explode nowhere.")
    items = []
    for (verb, name), epochs in found.items():
        worst = (min if verb == "vanish" else max)(epoch.gradients[name] for epoch in epochs)
        when = f"{len(epochs)} of {len(curve)} epochs, first in {epochs[0].number}; {worst:.1e} at worst"
        items.append(tag("li", tag("b", name), f": they {verb} in {when}"))
    return tag("ul", *items)


def _look(course: Course, seen: Inspection) -> list[Html]:
    """Return what the kept weights do with the validation samples."""
    criterion = read_criterion(course.card.get("criterion", "class"))
    n, found = len(seen.correct), seen.found
    lead = (
        f"The weights of the best epoch and the {n:,} validation samples: {seen.correct.sum():,} are answered right, "
        f"and of these {SELECTION_NAME} finds an adversarial input for {found:,}. Where it finds none, the clean "
        "answer stands. It is a weak attack, of which a suite finds more."
    )
    if seen.labels is None:
        table = tables.scores(seen, criterion.score_name) if criterion.score_name else None
        left_out = f"There is no confusion of classes: the criterion is {criterion}."
    else:
        table, left_out = tables.confusions(seen), ""
    answers = tag(
        "section",
        tag("h2", "Answers", id="answers"),
        tag("p", lead, class_="note"),
        tag("p", left_out, class_="note") if left_out else None,
        tag("div", table, class_="wide tables", tabindex=0),
        aria_labelledby="answers",
    )
    return [answers, _layers(seen)]


def _layers(seen: Inspection) -> Html:
    heading = tag("h2", "Layers", id="layers")
    if not seen.layers:
        note = "No layer can be seen from outside: the network is one compiled program."
        return tag("section", heading, tag("p", note, class_="note"), aria_labelledby="layers")
    units, dead = sum(layer.units for layer in seen.layers), sum(layer.dead for layer in seen.layers)
    told = (
        f"Of {units:,} units of ReLU and its like {dead:,} are dead: above 0 on no validation sample; a channel of a "
        "convolution is one unit."
        if units
        else "There is no ReLU or its like among the functions of torch that the network calls, so no unit is dead."
    )
    attacked = "" if seen.attacked else f" {SELECTION_NAME} found nothing, so there are no figures under attack."
    note = tag("p", f"{told} The figures are over all values of a layer's output.{attacked}", class_="note")
    table = tag("div", tables.layers(seen), class_="wide", tabindex=0)
    return tag("section", heading, note, table, aria_labelledby="layers")
