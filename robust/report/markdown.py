"""Boards as Markdown that GitHub renders as the folder's page."""

from collections.abc import Iterable, Sequence

from robust.report.board import Board
from robust.report.robustbench import CLAIMS, HEADS, Imported, ordered
from robust.report.table import LEGEND, cells, columns, rounded
from robust.store import GENERATED

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
    """The lines that tell what a suite's columns are."""
    listed = [f"{k}. {escape(attack)}" for k, attack in enumerate(board.stages, 1)]
    return ["", "What is left after each stage and those before it:", "", *listed] if listed else []


def table(board: Board) -> list[str]:
    """The lines of one board's table."""
    heads = columns(board)
    rule = ["---:" if column.numeric else ":---" for column in heads]
    lines = [
        [escape(column.title) for column in heads],
        rule,
        *([escape(cell) for cell in cells(board, row)] for row in board.rows),
    ]
    return [f"| {' | '.join(line)} |" for line in lines]


def escape(text: str) -> str:
    """Names come from users: nothing in them may end a cell or open a tag, a link or an emphasis."""
    for sign in "\\`*_[]<>|#~&$":
        text = text.replace(sign, f"\\{sign}")
    text = text.replace("://", ":\\//").replace("www.", "www\\.")  # or GitHub makes links of addresses
    return " ".join(text.split())
