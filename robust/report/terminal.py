"""Boards as text for a terminal."""

import io

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from robust.report.board import Board
from robust.report.table import cells, columns

HIDDEN = ("drop", "n", "params", "weights")  # what a terminal of 80 columns has no room for


def terminal(board: Board, width: int) -> str:
    """One board, at most `width` characters wide."""
    heads = columns(board)
    shown = [i for i, column in enumerate(heads) if column.title not in HIDDEN]
    table = Table(box=None, pad_edge=False, header_style="")
    for i in shown:
        justify: JustifyMethod = "right" if heads[i].numeric else "left"
        table.add_column(heads[i].title, justify=justify, overflow="fold", no_wrap=heads[i].numeric)
    for row in board.rows:
        line = cells(row)
        table.add_row(*(Text(line[i]) for i in shown))
    file = io.StringIO()
    Console(file=file, width=width, color_system=None, emoji=False, markup=False).print(table)
    sizes = sorted({row.record.data.n for row in board.rows})
    n = " to ".join(dict.fromkeys((str(sizes[0]), str(sizes[-1]))))
    return f"{board.data}, {board.threat}, {board.suite}, n = {n}\n{file.getvalue().rstrip()}"
