"""Boards as text for a terminal."""

import io

from rich.console import Console
from rich.table import Table
from rich.text import Text

from robust.attacks.spec import printable
from robust.report.board import Board
from robust.report.table import cells, columns

HIDDEN = ("drop", "n", "params", "weights")  # what a terminal of 80 columns has no room for


def terminal(board: Board, width: int) -> str:
    """One board, at most `width` characters wide; where that is too narrow, without the single attacks' columns."""
    table = _table(board, HIDDEN)
    if Console(width=10_000).measure(table).minimum > width:  # a console of this width would not tell of more
        table = _table(board, (*HIDDEN, *board.attacks))
    console = Console(file=io.StringIO(), width=width, color_system=None, emoji=False, markup=False)
    console.print(table)
    sizes = sorted({row.record.data.n for row in board.rows})
    n = " to ".join(dict.fromkeys((str(sizes[0]), str(sizes[-1]))))
    drawn: str = console.file.getvalue()  # type: ignore[attr-defined]
    return f"{printable(board.data)}, {board.threat}, {board.suite}, n = {n}\n{drawn.rstrip()}"


def _table(board: Board, hidden: tuple[str, ...]) -> Table:
    heads = columns(board)
    shown = [i for i, column in enumerate(heads) if column.title not in hidden]
    table = Table(box=None, pad_edge=False, header_style="")
    for i in shown:
        title = heads[i].title.replace(":", ":\n")  # an attack with options gets a narrow heading of several lines
        if heads[i].numeric:  # a name may be folded, though not to nothing; a figure may not
            table.add_column(title, justify="right", no_wrap=True)
        else:
            table.add_column(title, overflow="fold", min_width=6)
    for row in board.rows:
        line = cells(row)
        table.add_row(*(Text(printable(line[i])) for i in shown))
    return table
