"""Boards as Markdown that GitHub renders as the folder's page."""

from collections.abc import Iterable, Sequence
from itertools import compress

from robust.records.store import GENERATED
from robust.report.board import Board
from robust.report.robustbench import CLAIMS, HEADS, Imported, ordered
from robust.report.table import LEGEND, cells, columns, rounded

LINKS = (
    "With charts, and what broke each model: [index.html](index.html), to be opened in a browser. All digits: "
    "[leaderboard.csv](leaderboard.csv), a line a row; [results.csv](results.csv), a line an attack."
)


def markdown(boards: Iterable[Board], imported: Sequence[Imported] = ()) -> str:
    """The whole page."""
    head = [GENERATED["README.md"], "# Robustness leaderboard", "", LEGEND, "", LINKS]
    sections = [line for board in boards for line in _section(board)]
    return "\n".join([*head, *sections, *(_claims(imported) if imported else [])]) + "\n"


def _claims(imported: Sequence[Imported]) -> list[str]:
    heads = ["data", "threat", *HEADS]
    rows = [[entry.data, entry.threat, *entry.cells] for entry in ordered(imported)]
    lines = [heads, [":---"] * len(heads), *([escape(cell) for cell in row] for row in rows)]
    return ["", "## Reported elsewhere", "", CLAIMS, "", *(f"| {' | '.join(line)} |" for line in lines)]


def _section(board: Board) -> list[str]:
    return [
        "",
        f"## {escape(board.data)}, {escape(board.threat)}, {escape(board.suite)}",
        "",
        *table(board),
        *stages(board),
        *(["", escape(told)] if (told := rounded(board)) else []),
    ]


def stages(board: Board) -> list[str]:
    """The lines that tell what a suite is."""
    listed = [f"{k}. {escape(attack)}" for k, attack in enumerate(board.stages, 1)]
    told = "The stages, each on what those before it left ([results.csv](results.csv) tells how much):"
    return ["", told, "", *listed] if listed else []


def table(board: Board) -> list[str]:
    """The lines of one board's table."""
    stages = {*board.columns} - {*board.attacks}
    shown = [column.title not in stages for column in columns(board)]
    rule = ["---:" if column.numeric else ":---" for column in columns(board)]
    heads = [escape(column.title) for column in columns(board)]
    lines = [heads, rule, *([escape(cell) for cell in cells(board, row)] for row in board.rows)]
    return [f"| {' | '.join(compress(line, shown))} |" for line in lines]


def escape(text: str) -> str:
    """Names come from users: nothing in them may end a cell or open a tag, a link or an emphasis."""
    for sign in "\\`*_[]<>|#~&$":
        text = text.replace(sign, f"\\{sign}")
    text = text.replace("://", ":\\//").replace("www.", "www\\.")  # or GitHub makes links of addresses
    return " ".join(text.split())
