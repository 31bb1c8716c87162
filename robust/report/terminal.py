"""Boards as text for a terminal."""

import io
import textwrap
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from robust.attacks.text import printable
from robust.flags import union
from robust.records.record import Record
from robust.report.board import Board
from robust.report.table import alone, cells, columns, rounded

MANY = 0.2  # of the checks, without which a verdict says less
HIDDEN = ("drop", "n", "params", "weights")  # what a terminal of 80 columns has no room for


def terminal(board: Board, width: int) -> str:
    """One board, at most `width` characters wide; where that is little names are broken, or attacks left out."""
    less = (*HIDDEN, *board.columns)
    for colon, hidden in ((":", HIDDEN), (":\n", HIDDEN), (":\n", less)):
        table = _table(board, colon, hidden)
        if Console(width=10_000).measure(table).maximum <= width:
            break
    file = io.StringIO()
    Console(file=file, width=width, color_system=None, emoji=False, markup=False).print(table)
    sizes = sorted({row.record.data.n for row in board.rows})
    n = " to ".join(dict.fromkeys((str(sizes[0]), str(sizes[-1]))))
    lines = [f"{printable(board.data)}, {board.threat}, {board.suite}, n = {n}", file.getvalue().rstrip()]
    notes = [alone(board)] * (hidden == less) + [rounded(board)]
    return "\n".join([*lines, *(line for note in notes for line in textwrap.wrap(printable(note), width))])


def doubts(record: Record) -> list[str]:
    """A line for each reason not to believe a row, and one where many checks could tell nothing of it.

    Of a partial row that goes without saying: it was stopped, and the checks that want whole attacks with it.
    """
    trust = record.trust
    if trust is None:
        return []
    who = printable(f"{record.model.name} ({record.recipe}), {record.threat}")
    marks = dict.fromkeys(trust.accepted, ", accepted")
    told = [f"{who}: {d.grade}{marks.get(d.name, '')}: {d.name}: {d.message}; {d.hint}" for d in trust.doubts]
    told += [f"{who}: {line}" for line in _mitigated(record)]
    if not record.partial and len(trust.skipped) > MANY * (len(trust.skipped) + len(trust.checked)):
        told.append(f"{who}: {trust.verdict} by fewer checks: these mean nothing here: {', '.join(trust.skipped)}")
    return told


def _mitigated(record: Record) -> Iterator[str]:
    """What the search with the mitigations did to a row, whose figure it counts in."""
    for attack in record.attacks[len(record.planned) :]:
        asked, names = (
            record.correct & ~union(each.adversarial for each in record.planned),
            attack.options["mitigations"],
        )
        left = f"{asked.mean():.1%} robust without, {record.robust.mean():.1%} with it"
        yield f"mitigated by {printable(', '.join(names)) or 'ordinary attacks'}: {left}"


def _table(board: Board, colon: str, hidden: tuple[str, ...]) -> Table:
    """The board without the `hidden` columns, with `colon` for the colons of attacks and recipes."""
    heads = columns(board)
    shown = [i for i, column in enumerate(heads) if column.title not in hidden]
    table = Table(box=None, pad_edge=False, header_style="")
    for i in shown:
        title = heads[i].title.replace(":", colon)
        if heads[i].numeric:  # a name may be folded, though not to nothing; a figure may not
            table.add_column(title, justify="right", no_wrap=True)
        else:
            table.add_column(title, overflow="fold", min_width=6)
    for row in board.rows:
        line = cells(board, row)
        table.add_row(*(Text(printable(line[i]).replace(":", colon)) for i in shown))
    return table
