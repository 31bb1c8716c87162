"""A model's section: its rows, what broke it, whether that may be believed, and how to do it again."""

import shlex
from collections.abc import Mapping, Sequence

from robust.records.gallery import Gallery
from robust.records.record import Record
from robust.report.board import Board, Row
from robust.report.lines import Line, lines
from robust.report.page.curves import Curve, chart
from robust.report.page.images import pictures
from robust.report.page.markup import Html, join, tag
from robust.report.page.names import anchor, files, model_anchor, model_key
from robust.report.page.ranking import verdict

MODEL = "--robust-model="

Placed = tuple[Board, Row]

MANY = 20  # classes; of more the worst are shown


def section(placed: Sequence[Placed], curves: Sequence[Curve], galleries: Mapping[str, Gallery]) -> Html:
    """Of one model all rows, in the boards' order; its curves where there are some."""
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
            _pairs(_whole(record)),
            *(_row(board, row, galleries.get(row.record.stem), record) for board, row in placed),
            id=model_anchor(model_key(record)),
        ),
        class_="model",
    )


def _row(board: Board, row: Row, gallery: Gallery | None, first: Record) -> Html:
    """What the section says of its first record is not said again."""
    record = row.record
    return tag(
        "article",
        tag("h4", f"{record.threat}, {record.suite} ", verdict(row)),
        tag(
            "div", _attacks(lines(board, row)[len(record.attacks) == 1 :]), by_class(record), class_="wide", tabindex=0
        ),
        _reasons(record),
        pictures(record, gallery),
        _facts(record, first, len({other.record.data.digest for other in board.rows}) > 1),
        id=anchor(record),
    )


def _attacks(found: list[Line]) -> Html:
    """A line an attack, with its gradients a sample; the first is of all together, where there are several."""
    heads = ("attack", "robust %", "95 % interval", "broken", "gradients", "seconds")
    body = []
    for line in found:
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


def _reasons(record: Record) -> Html:
    trust = record.trust
    if trust is None:
        return tag("p", "Whether these figures may be believed was not checked.")
    accepted = dict.fromkeys(trust.accepted, ", accepted")
    doubts = (
        tag("li", tag("b", f"{d.name} ({d.grade}{accepted.get(d.name, '')}): "), f"{d.message}; {d.hint}")
        for d in trust.doubts
    )
    skipped = f" ({len(trust.skipped)} more would have meant nothing here)" if trust.skipped else ""
    told = f"{len(trust.checked)} checks{skipped}"
    found = f"; {len(trust.doubts)} found a reason to doubt:" if trust.doubts else ": no reason to doubt."
    return join(tag("p", told + found), tag("ul", *doubts) if trust.doubts else None)


def _whole(record: Record) -> dict[str, str]:
    """What is mostly the same of all rows of a model."""
    versions = record.provenance.get("versions", {})
    return {
        "weights": f"{record.model.params:,} parameters, sha256 {record.model.weights[:16]}",
        "with": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _facts(record: Record, first: Record, several: bool) -> Html:
    """Where it was measured, on which samples where the board has several, how to do it again, and the evidence."""
    provenance = record.provenance
    batches = f"batches of {provenance['batch']}" if "batch" in provenance else ""
    where = (provenance.get("date"), provenance.get("device"), batches, f"seed {record.seed}")
    told = {
        "measured": ", ".join(str(each) for each in where if each),
        "with": _whole(record)["with"] * (_whole(record) != _whole(first)),
        "samples": f"{record.data.split}, sha256 {record.data.digest[:8]}" * several,
        "notes": "; ".join(map(str, provenance.get("notes") or [])),
        "partial": f"stopped by the {record.partial}" if record.partial else "",
    }
    return join(_pairs(told), _commands(record), _links(record))


def _pairs(told: Mapping[str, str]) -> Html:
    return tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in told.items() if value))


def _commands(record: Record) -> Html:
    again = _own(record)
    return tag(
        "pre",
        tag("code", again) if again else "The record does not tell its command; it was made before records did.",
        Html("\n"),
        tag("code", _verify(record, again)),
    )


def _verify(record: Record, again: str) -> str:
    """What checks the row, where its command can be run: the model, and what else has no default."""
    said = record.provenance.get("model")
    model: dict[str, object] = said if isinstance(said, dict) else {}
    text = "model" if record.model.training == "as-is" else "arch"  # by its card what was trained is found
    named = {text: model.get("text")} | {key: model[key] for key in ("arch", "normalize") if model.get(key)}
    words = ["robust", "verify", record.stem, *(f"--{key}={value}" for key, value in named.items() if value)]
    kept = ("--robust-data=", "--robust-leaderboard=")
    try:
        asked = [word.replace("--robust-", "--") for word in shlex.split(again) if word.startswith(kept)]
    except ValueError:
        asked = []
    return shlex.join([*words, *asked])


def _own(record: Record) -> str:
    """The command of the row: that of its run, without the other models. "" where the record does not tell."""
    told, model = str(record.provenance.get("command") or ""), record.provenance.get("model")  # of any type
    text = model.get("text") if isinstance(model, dict) else None
    try:
        words = shlex.split(told)
    except ValueError:
        return told
    own = f"--robust-model={text}"
    return shlex.join(word for word in words if word == own or own not in words or not word.startswith(MODEL))


def _links(record: Record) -> Html:
    path, evidence = files(record)
    return tag("p", tag("a", "record", href=path), " · ", tag("a", "evidence", href=evidence))


def by_class(record: Record) -> Html:
    """ "" where the record does not tell."""
    told = record.provenance.get("classes")
    if not told:
        return join()
    counts = list(zip(told["n"], told["correct"], told["robust"], strict=True))
    shown = sorted((k for k, (n, _, _) in enumerate(counts) if n), key=lambda k: counts[k][2] / counts[k][0])[:MANY]
    shown.sort()
    which = f"the {MANY} worst of {len(counts)} classes" if len(counts) > MANY else "by class"
    rows = [
        _line(f"{name} %", [100 * counts[k][at] / counts[k][0] for k in shown])
        for at, name in ((1, "clean"), (2, "robust"))
    ]
    head = tag("tr", tag("th", which), *(tag("th", k) for k in shown))
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="heat")


def _line(name: str, shares: list[float]) -> Html:
    """From 90 % on a cell has the table's own shade, which says so of most cells in no words."""
    cells = (tag("td", f"{share:.0f}", class_=f"h{int(share / 10)}" if share < 90 else None) for share in shares)
    return tag("tr", tag("th", name), *cells)
