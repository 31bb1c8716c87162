"""Boards as text for a terminal."""

import io
import textwrap
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from robust.attacks.text import printable
from robust.flags import union
from robust.records.added import MITIGATED
from robust.records.moved import MOST_MOVED, moved_heads, moved_title
from robust.records.record import Record
from robust.report.board import Board, Row
from robust.report.corrupted import TITLE as CORRUPTED
from robust.report.corrupted import describe_corrupted
from robust.report.draws import describe_random
from robust.report.groups import describe_groups, describe_weakest
from robust.report.queries import describe_queries
from robust.report.skipped import describe_skipped
from robust.report.table import (
    WORST_CLASS,
    Column,
    cells,
    columns,
    describe_attacks,
    describe_bracket,
    describe_curve,
    describe_folds,
    describe_rounding,
    describe_scores,
    mean_columns,
)

MAX_SKIPPED = 0.2  # share of the checks; if more are skipped, the verdict is reported as weaker
FOLDED, GAP = 6, 2  # characters: of a folded name at least, and between columns
SHORTENED = 12  # characters of a shortened name at least; fewer tell nothing
HIDDEN = (WORST_CLASS, CORRUPTED, "drop", "n", "params", "weights")  # columns that do not fit in 80 characters


def terminal(board: Board, width: int, sign: str = "<=") -> str:
    """Return one board, at most `width` characters wide; `sign` is the one for "at most" that the terminal has.

    Narrow ones shorten names that stay distinct, or break them, leave the attacks' columns out, or have no columns at
    all: no figure or verdict is cut.
    """
    wide = (*HIDDEN, *(column.title for column in mean_columns(board)))  # lines below have these
    without_attacks = (*wide, *board.columns)
    for colon, hidden, room in (
        (":", wide, None),
        (":", wide, width),
        (":\n", wide, None),
        (":", without_attacks, width),
        (":\n", without_attacks, None),
    ):
        table = _table(board, colon, hidden, room)
        if Console(width=10_000).measure(table).maximum <= width:
            break
    file = io.StringIO()
    if room is not None or _narrowest(board, colon, hidden) <= width:
        Console(file=file, width=width, color_system=None, emoji=False, markup=False).print(table)
    else:
        file.write("\n".join(line for row in board.rows for line in _list_cells(board, row, hidden, width)))
    sizes = sorted({row.record.data.n for row in board.rows})
    n = " to ".join(dict.fromkeys((str(sizes[0]), str(sizes[-1]))))
    lines = [printable(f"{board.title}, {board.suite}, n = {n}"), file.getvalue().rstrip()]
    brackets = [bracket for row in board.rows if (bracket := describe_bracket(row, sign))]
    curves = [told for row in board.rows if (told := describe_curve(row))]
    records = [row.record for row in board.rows]
    notes = [
        *filter(None, map(describe_folds, board.rows)),
        *brackets,
        *curves,
        *(told for row in board.rows for told in describe_queries(row)),
        *[describe_attacks(board)] * (hidden == without_attacks),
        describe_rounding(board),
        describe_scores(board),
        *filter(None, map(describe_random, records)),
        *(tell(record) for record in records for tell in (describe_corrupted, describe_weakest, describe_groups)),
    ]
    notes_wrapped = (line for note in notes for line in textwrap.wrap(printable(note), width))
    return "\n".join([*lines, *notes_wrapped, *(line for row in board.rows for line in _moved(row.record, width))])


def _moved(record: Record, width: int) -> list[str]:
    """Return the lines of the features of a table, or of the inputs, that moved most; none for other data."""
    if not record.moved:
        return []
    table = Table(box=None, pad_edge=False, header_style="")
    heads = moved_heads(record.threat)
    for k, head in enumerate(heads):
        numeric = 0 < k < len(heads) - 1
        table.add_column(head, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for part in record.moved[:MOST_MOVED]:
        table.add_row(*map(Text, part.cells))
    file = io.StringIO()
    Console(file=file, width=width, color_system=None, emoji=False, markup=False).print(table)
    rest = len(record.moved) - MOST_MOVED
    more = f" ({rest} more were moved)" if rest > 0 else ""
    title = f"{record.model.name} ({record.recipe}): {moved_title(record.threat)}{more}"
    body = [line.rstrip() for line in file.getvalue().rstrip().split("\n")]
    return [*textwrap.wrap(printable(title), width), *body]


def describe_findings(record: Record) -> list[str]:
    """Return a line for each finding about a row, and one if many checks were skipped.

    The latter is left out for a partial row, since many checks need complete attacks.
    """
    trust = record.trust
    if trust is None:
        return []
    who = f"{record.model.name} ({record.recipe}), {record.threat}"
    marks = dict.fromkeys(trust.accepted, ", accepted")
    texts = [f"{who}: {d.grade}{marks.get(d.name, '')}: {d.name}: {d.message}; {d.hint}" for d in trust.findings]
    texts += [f"{who}: {line}" for line in _mitigated(record)]
    if not record.partial and len(trust.skipped) > MAX_SKIPPED * (len(trust.skipped) + len(trust.checked)):
        texts.append(f"{who}: {trust.verdict} by fewer checks; {describe_skipped(trust)}")
    return [*map(printable, texts)]


def _mitigated(record: Record) -> Iterator[str]:
    """Yield the effect of the mitigated attack on the figure of a row."""
    for attack in (attack for attack in record.attacks if attack.name == MITIGATED):
        without = record.correct & ~union(other.adversarial for other in record.attacks if other.name != MITIGATED)
        names = ", ".join(attack.options["mitigations"]) or "ordinary attacks"
        yield f"mitigated by {names}: {without.mean():.1%} robust without, {record.robust.mean():.1%} with it"


def _shown(board: Board, hidden: tuple[str, ...]) -> list[tuple[int, Column]]:
    return [(i, column) for i, column in enumerate(columns(board)) if column.title not in hidden]


def _narrowest(board: Board, colon: str, hidden: tuple[str, ...]) -> int:
    """Return the width of the narrowest table that cuts nothing, with `colon` for colons."""
    rows, shown = [cells(board, row) for row in board.rows], _shown(board, hidden)
    texts = {i: [column.title, *(row[i] for row in rows)] for i, column in shown}
    lines = {i: [line for text in texts[i] for line in text.replace(":", colon).split("\n")] for i in texts}
    widths = (FOLDED if column.folds else max(map(len, lines[i])) for i, column in shown)
    return sum(widths) + GAP * (len(shown) - 1)


def _list_cells(board: Board, row: Row, hidden: tuple[str, ...], width: int) -> list[str]:
    """Return a row without columns: each cell after its title."""
    line = cells(board, row)
    text = "; ".join(f"{column.title} {line[i]}" for i, column in _shown(board, hidden))
    return textwrap.wrap(printable(text), width, subsequent_indent="  ")


def _shorten_names(rows: list[list[str]], shown: list[tuple[int, Column]], width: int) -> None:
    """Shorten names that may be folded so that each is one line, if there is room, and they stay distinct."""
    texts = {i: [column.title, *(row[i] for row in rows)] for i, column in shown}
    longest = {i: max(len(line) for text in texts[i] for line in text.split("\n")) for i in texts}
    folding = sorted((i for i, column in shown if column.folds), key=longest.__getitem__)
    room = width - GAP * (len(shown) - 1) - sum(longest[i] for i in texts if i not in folding)
    for k, i in enumerate(folding):  # the shorter ones first: what they leave is for the longest
        size = min(longest[i], room // (len(folding) - k))
        room -= size
        names = {row[i]: shorten(row[i], size) for row in rows}
        if size >= min(SHORTENED, longest[i]) and len({*names.values()}) == len(names):
            for row in rows:
                row[i] = names[row[i]]


def shorten(text: str, size: int) -> str:
    """Return a text of at most `size` characters: its middle is left out where it is longer."""
    if len(text) <= size:
        return text
    tail = (size - 1) // 2
    return f"{text[: size - 1 - tail]}…{text[len(text) - tail :]}"


def _table(board: Board, colon: str, hidden: tuple[str, ...], width: int | None = None) -> Table:
    """Return the table without the `hidden` columns, with `colon` for the colons of attacks and recipes.

    If a width is given, names that are too long for it are shortened.
    """
    shown, rows = _shown(board, hidden), [cells(board, row) for row in board.rows]
    if width is not None:
        _shorten_names(rows, shown, width)
    table = Table(box=None, pad_edge=False, header_style="")
    for _, column in shown:
        title = printable(column.title).replace(":", colon)
        if column.folds:
            table.add_column(title, overflow="fold", min_width=FOLDED)
        else:
            table.add_column(title, justify="right" if column.numeric else "left", no_wrap=True)
    for line in rows:
        table.add_row(*(Text(printable(line[i]).replace(":", colon)) for i, _ in shown))
    return table
