"""The section of a model: its rows, the attacks, the findings of the checks, and how to reproduce them."""

import shlex
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from robust.attacks.draws import Draws
from robust.attacks.words import explain_threat
from robust.records.folds import PooledRecord
from robust.records.gallery import Gallery
from robust.records.moved import MOST_MOVED, moved_heads, moved_title
from robust.records.record import Record
from robust.report import compressed
from robust.report.board import Board, Row, percent
from robust.report.draws import describe_undecided
from robust.report.lines import Line, lines
from robust.report.page import bracket, queries
from robust.report.page.corrupted import by_corruption
from robust.report.page.curves import Curve, chart
from robust.report.page.groups import by_class, by_group
from robust.report.page.images import gallery_section
from robust.report.page.layout import Placed
from robust.report.page.markup import Html, join, tag
from robust.report.page.names import anchor, files, model_anchor, model_key
from robust.report.page.ranking import verdict
from robust.report.skipped import list_skipped
from robust.report.trainings import key_of

MODEL = "--robust-model="

NONE: Mapping[str, str] = {}  # reports on trainings

MAX_CLASSES = 20  # of more, the worst are shown

CAPTION = "features that the adversarial rows moved most, in their own units"


def section(
    placed: Sequence[Placed],
    curves: Sequence[Curve],
    galleries: Mapping[str, Gallery],
    reports: Mapping[str, str] = NONE,
    up: str = "",
) -> Html:
    """Return the section of a model with all its rows, in the order of the boards, and its curves.

    `reports` are the paths of those on trainings, by their keys; `up` leads from the page to the leaderboard's folder.
    """
    record = placed[0][1].record
    model = record.model
    best = ", ".join(f"{row.robust:.1f} % under {row.record.threat}" for _, row in placed)
    return tag(
        "details",
        tag(
            "summary",
            tag("h3", model.name, tag("small", record.recipe)),
            tag("span", f"{record.data.name}: robust {best}", class_="under"),
        ),
        tag(
            "div",
            chart(curves, "") if curves else None,
            _pairs(_describe_model(record)),
            _report(record, reports, up),
            *(_row(board, row, galleries.get(row.record.stem), record, up) for board, row in placed),
            id=model_anchor(model_key(record)),
        ),
        class_="model",
    )


def _row(board: Board, row: Row, gallery: Gallery | None, first: Record, up: str) -> Html:
    """Return the part of a row; facts that it shares with the section's first record are left out."""
    record = row.record
    return tag(
        "article",
        tag("h4", f"{record.threat}, {record.suite} ", verdict(row)),
        tag("p", told) if (told := explain_threat(record.threat)) else None,
        bracket.section(row),
        queries.section(row),
        tag(
            "div", _attacks(lines(board, row)[len(record.attacks) == 1 :]), by_class(record), class_="wide", tabindex=0
        ),
        by_group(record),
        by_corruption(record),
        _moved(record),
        _reasons(record),
        gallery_section(gallery, record.threat, record.provenance.get("layout")),
        _facts(record, first, len(board.digests) > 1),
        *(_fold(fold, up) for fold in record.folds) if isinstance(record, PooledRecord) else [_links(record, up)],
        id=anchor(record),
    )


def _attacks(rows: list[Line]) -> Html:
    """Return the table of attacks, one line each, with gradients a sample; of several, the first line is for all."""
    heads = ("attack", "robust %", "95 % interval", "adversarial", "gradients", "seconds")
    body = []
    for line in rows:
        interval = f"{line['low_percent']:.1f} to {line['high_percent']:.1f}"
        adversarial = line["clean_correct"] - line["robust_correct"]
        cells = (f"{line['robust_percent']:.1f}", interval, f"{adversarial:,}")
        cost = (f"{line['backwards'] / line['n']:,.1f}", f"{line['seconds']:,.1f}")
        body.append(
            tag(
                "tr",
                tag("th", line["attack"].removeprefix(f"{line['suite']} ")),
                *(tag("td", cell) for cell in (*cells, *cost)),
            )
        )
    head = tag("tr", *(tag("th", title) for title in heads))
    return tag("table", tag("thead", head), tag("tbody", *body), class_="attacks")


def _moved(record: Record) -> Html:
    """Return the table of the features, or of the inputs, that moved most; "" for what has neither."""
    if not record.moved:
        return join()
    rows = [tag("tr", tag("th", name), *(tag("td", cell) for cell in rest)) for name, *rest in _cells(record)]
    heads = moved_heads(record.threat)
    caption = tag("caption", CAPTION if heads[0] == "feature" else moved_title(record.threat))
    head = tag("tr", *(tag("th", title) for title in heads))
    return tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="attacks")


def _cells(record: Record) -> list[tuple[str, ...]]:
    return [part.cells for part in record.moved[:MOST_MOVED]]


def _reasons(record: Record) -> Html:
    trust = record.trust
    if trust is None:
        return tag("p", "No checks were run on these figures.")
    accepted = dict.fromkeys(trust.accepted, ", accepted")
    findings = (
        tag("li", tag("b", f"{d.name} ({d.grade}{accepted.get(d.name, '')}): "), f"{d.message}; {d.hint}")
        for d in trust.findings
    )
    others = [f"{len(trust.skipped)} more do not apply here"] * bool(trust.skipped)
    others += [f"not run for lack of time: {', '.join(trust.not_run)}"] * bool(trust.not_run)
    checks = f"{len(trust.checked)} checks" + f" ({'; '.join(others)})" * bool(others)
    checks += f", {trust.passes:,} passes, {trust.seconds:,.1f} s" * bool(trust.passes)
    result = f"; {len(trust.findings)} found a reason to doubt:" if trust.findings else ": no reason to doubt."
    lines = [tag("li", line) for line in list_skipped(trust)] if trust.why else []
    skipped = tag("details", tag("summary", "Checks that do not apply"), tag("ul", *lines)) if lines else None
    return join(tag("p", checks + result), tag("ul", *findings) if trust.findings else None, skipped)


def _describe_model(record: Record) -> dict[str, str]:
    """Return the facts that are usually the same for all rows of a model."""
    versions = record.provenance.get("versions", {})
    return {
        "weights": f"{record.model.params:,} parameters, sha256 {record.model.weights[:16]}",
        "with": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _facts(record: Record, first: Record, several: bool) -> Html:
    """Return when and where a row was measured, its samples if the board has several sets, and its commands."""
    provenance = record.provenance
    batches = f"batches of {provenance['batch']}" if "batch" in provenance else ""
    draw, undecided = "" if record.draw is None else f"draw {record.draw}", describe_undecided(record)
    where = (provenance.get("date"), provenance.get("device"), batches, f"seed {record.seed}", draw)
    facts = {
        "measured": ", ".join(str(part) for part in where if part),
        "with": _describe_model(record)["with"] * (_describe_model(record) != _describe_model(first)),
        "samples": f"{record.data.split}, sha256 {record.data.digest[:8]}" * several,
        "notes": "; ".join(map(str, provenance.get("notes") or [])),
        "compressed": compressed.describe(record),
        "draws": f"an answer is {Draws.parse(record.draws).describe()}; {undecided}" if record.draws else "",
        "partial": f"stopped by the {record.partial}" if record.partial else "",
    }
    return join(_pairs(facts), _commands(record))


def _report(record: Record, reports: Mapping[str, str], up: str) -> Html | None:
    """Return the link to the report on the model's training, or where it lies if elsewhere; None without one."""
    if path := reports.get(key_of(record)):
        return tag("p", tag("a", "report on the training", href=quote(f"{up}{path}")))
    card = record.provenance.get("training")
    name = card.get("report") if isinstance(card, dict) else None
    told = f"The report on the training is {name}, as seen from the weights."
    return tag("p", told, class_="note") if name and isinstance(name, str) else None


def _pairs(facts: Mapping[str, str]) -> Html:
    return tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in facts.items() if value))


def _commands(record: Record) -> Html:
    words = _repeat_words(record)
    again = shlex.join(words) if words else str(record.provenance.get("command") or "")  # of any type
    return tag(
        "pre",
        tag("code", again) if again else "The record holds no command: an older version made it.",
        Html("\n"),
        tag("code", _verify_command(record, words)),
    )


def _verify_command(record: Record, again: list[str]) -> str:
    """Return the command that verifies the row: its model, and options without a default."""
    recorded = record.provenance.get("model")
    model: dict[str, object] = recorded if isinstance(recorded, dict) else {}
    text = "model" if record.model.training == "as-is" else "arch"  # a trained model is found by its card
    options = {text: model.get("text")} | {key: model[key] for key in ("arch", "normalize", "output") if model.get(key)}
    stem = record.folds[0].stem if isinstance(record, PooledRecord) else record.stem
    words = ["robust", "verify", stem, *(f"--{key}={value}" for key, value in options.items() if value)]
    prefixes = ("--robust-data=", "--robust-leaderboard=")
    return shlex.join([*words, *(word.replace("--robust-", "--") for word in again if word.startswith(prefixes))])


def _repeat_words(record: Record) -> list[str]:
    """Return the command of the row's run without its other models; none if the record holds no command."""
    command, model = str(record.provenance.get("command") or ""), record.provenance.get("model")  # of any type
    text = model.get("text") if isinstance(model, dict) else None
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    option = f"{MODEL}{text}"
    return [word for word in words if word == option or option not in words or not word.startswith(MODEL)]


def _links(record: Record, up: str) -> Html:
    return tag("p", *_link_files(record, up))


def _link_files(record: Record, up: str) -> tuple[Html | str, ...]:
    path, evidence = (f"{up}{name}" for name in files(record))
    return tag("a", "record", href=path), " · ", tag("a", "evidence", href=evidence)


def _fold(record: Record, up: str) -> Html:
    """Return the line of one fold: its figures, and its files."""
    n, (clean, robust) = record.data.n, record.counts
    figures = f"clean {percent(clean, n):.1f} %, robust {percent(robust, n):.1f} % of {n}: "
    return tag("p", f"{record.data.name}: {figures}", *_link_files(record, up))
