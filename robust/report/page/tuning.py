"""The page of a study of `robust tune`: its history, what mattered, clean against robust accuracy, and all trials."""

from collections.abc import Iterable, Mapping
from typing import Any

from robust.attacks.text import format_seconds
from robust.records.tuning import Study, Trial, find_front
from robust.report.page.axes import Axes, pad_bounds
from robust.report.page.document import document
from robust.report.page.markup import Html, breakable, join, number, tag, void
from robust.report.tuning import count_trials, describe_end, rank

BAR, LABELS = 26, 150  # the height of a bar with its room, and the width of the names beside the bars
NOTE = (
    "Accuracies are of the validation samples, which chose the best trial and its best epoch: of many trials the best "
    "looks better than it is. No test sample was read."
)


def tuning_page(study: Study) -> str:
    """Return the whole page of a study."""
    title = f"Tuning {study.name}"
    header = tag("header", tag("h1", title), tag("p", count_trials(study), class_="lead"), tag("p", NOTE))
    sections = (_history(study), _importance(study), _scatter(study), _trials(study), _settings(study))
    footer = tag("footer", tag("p", "Made by pytest-robust from study.json beside this page, and from nothing else."))
    return document(title, header, tag("main", *sections), footer)


def _reached(trial: Trial, name: str) -> float | None:
    """Return a trial's accuracy in percent, of one that was pruned the best until then; None if it has none."""
    shares = [epoch[name] for epoch in trial.epochs if name in epoch]
    share = trial.figures.get(name, max(shares, default=None))
    return None if share is None else 100 * share


def _history(study: Study) -> Html:
    """Return a chart of the trials by number for each objective, with the best of the finished ones so far."""
    note = "Circles that are filled are finished trials, open ones were pruned; the line is the best so far."
    return _section("History", "history", note, *(_history_of(study, name) for name in study.objectives))


def _history_of(study: Study, name: str) -> Html:
    points = [(trial, y) for trial in study.trials if (y := _reached(trial, name)) is not None]
    if not points:
        return tag("p", f"No trial has a figure for {name}.")
    axes = Axes(0, max(trial.number for trial, _ in points) + 1, *pad_bounds([y for _, y in points]))
    best = 0.0
    line: list[tuple[float, float]] = []
    for trial, y in points:
        if trial.state == "finished":
            line += [(trial.number, best)] * bool(line)
            best = max(best, y)
            line.append((trial.number, best))
    drawn = (
        axes.frame("trial", f"{name} accuracy, %"),
        void("path", class_="line c0", d=axes.polyline(line)) if len(line) > 1 else None,
        *(_dot(axes, trial, trial.number, y) for trial, y in points),
    )
    return _figure(f"{name} accuracy by trial", drawn, axes)


def _dot(axes: Axes, trial: Trial, x: float, y: float) -> Html:
    hollow = trial.state != "finished"
    values = ", ".join(f"{name} = {value}" for name, value in trial.values.items())
    title = tag("title", f"trial {trial.number}: {values}: {describe_end(trial)}")
    circle = void("circle", cx=number(axes.x(x)), cy=number(axes.y(y)), r=4, class_="hollow" if hollow else None)
    return tag("g", title, circle, class_="c7" if hollow else "c0")


def _importance(study: Study) -> Html:
    if not study.importance:
        return _section("Importance", "importance", "Too few finished trials to tell what mattered.")
    charts = (_bars(name, shares) for name, shares in study.importance.items())
    note = "The share of the differences between finished trials that an option explains alone (fANOVA)."
    return _section("Importance", "importance", note, *charts)


def _bars(name: str, shares: Mapping[str, float]) -> Html:
    axes = Axes(0, 1, 0, 1, height=BAR * len(shares) + 10, left=LABELS, right=50, top=0, bottom=10)
    bars = []
    for k, (option, share) in enumerate(sorted(shares.items(), key=lambda item: -item[1])):
        y = BAR * k + BAR // 2
        bars.append(tag("text", option, x=axes.left - 8, y=y + 3, class_="title"))
        bars.append(void("path", class_="span", d=f"M{axes.left} {y}H{number(axes.x(share))}"))
        bars.append(tag("text", f"{share:.0%}", x=number(axes.x(share) + 6), y=y + 3))
    return _figure(f"importance for {name}", bars, axes)


def _scatter(study: Study) -> Html:
    """Return the finished trials by clean and by robust accuracy, with those that no other matches in both."""
    name = next((name for name in study.objectives if name != "clean"), None)
    finished = study.list_by("finished")
    if name is None or not finished:
        return join()
    points = [(trial, 100 * trial.figures["clean"], 100 * trial.figures[name]) for trial in finished]
    axes = Axes(*pad_bounds([x for _, x, _ in points]), *pad_bounds([y for _, _, y in points]))
    front = find_front(finished, (name, "clean"))
    path = "".join(
        f"{'H' if k else f'M{axes.left} {number(axes.y(100 * t.figures[name]))}H'}"
        f"{number(axes.x(100 * t.figures['clean']))}"
        f"V{number(axes.y(100 * front[k + 1].figures[name])) if k + 1 < len(front) else axes.y_end}"
        for k, t in enumerate(front)
    )
    drawn = (
        axes.frame("clean accuracy, %", f"{name} accuracy, %"),
        void("path", class_="front", d=path),
        *(_dot(axes, trial, x, y) for trial, x, y in points),
    )
    note = f"The line joins the trials that no other matches in both: {', '.join(str(t.number) for t in front)}."
    return _section("The front", "front", note, _figure(f"clean against {name}", drawn, axes))


def _trials(study: Study) -> Html:
    names = study.varying
    figures = [*dict.fromkeys((*study.objectives, "clean"))]
    heads = ("trial", *(f"{name} %" for name in figures), "time", *names, "how it ended")
    rows = [*rank(study), *study.list_by("pruned"), *study.list_by("failed")]
    body = (tag("tr", *(tag("td", cell) for cell in _cells(trial, figures, names))) for trial in rows)
    head = tag("thead", tag("tr", *(tag("th", word, scope="col") for word in heads)))
    table = tag("table", tag("caption", "All trials", class_="hidden"), head, tag("tbody", *body))
    wide = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label="all trials")
    return _section("Trials", "trials", "The finished ones first, the best of them at the top.", wide)


def _cells(trial: Trial, figures: list[str], names: list[str]) -> list[object]:
    shares = [f"{100 * trial.figures[name]:.1f}" if name in trial.figures else "" for name in figures]
    values = [trial.values.get(name, "") for name in names]
    end = "finished" if trial.state == "finished" else describe_end(trial)
    return [trial.number, *shares, format_seconds(trial.seconds), *values, end]


def _settings(study: Study) -> Html:
    """Return what all trials have in common, and the best one's recipe."""
    best = [("best recipe", f"{trial.recipe}, of {trial.model}") for trial in study.front]
    varies = [(name, _describe_part(part)) for name, part in study.settings["space"].items()]
    plain = [(key, value) for key, value in study.settings.items() if isinstance(value, str | int) and value != ""]
    pairs = join(*(join(tag("dt", key), tag("dd", breakable(str(value)))) for key, value in [*best, *varies, *plain]))
    return _section("Settings", "settings", "What all trials have in common.", tag("article", tag("dl", pairs)))


def _describe_part(part: Mapping[str, Any] | list[Any]) -> str:
    """Return a range or a list of the space in words."""
    if not isinstance(part, Mapping):
        return ", ".join(map(str, part))
    step = f", in steps of {part['step']:g}" if part["step"] else ""
    return f"{part['low']:g} to {part['high']:g}{', log' * bool(part['log'])}{step}"


def _section(title: str, place: str, note: str, *children: object) -> Html:
    return tag("section", tag("h2", title, id=place), tag("p", note, class_="under"), *children, aria_labelledby=place)


def _figure(title: str, drawn: Iterable[object], axes: Axes) -> Html:
    size = f"0 0 {axes.width} {axes.height}"
    svg = tag("svg", tag("title", title), *drawn, viewBox=size, class_="chart", role="img")
    return tag("figure", tag("h3", title), svg, class_="plot")
