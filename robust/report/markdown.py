"""Boards as Markdown, which GitHub renders as the page of the folder."""

from collections.abc import Sequence
from itertools import compress

from robust.attacks.text import printable
from robust.attacks.words import explain_threat
from robust.records.moved import MOST_MOVED, moved_heads, moved_title
from robust.records.store import GENERATED
from robust.report.board import Board
from robust.report.corrupted import describe_corrupted
from robust.report.draws import describe_random
from robust.report.groups import describe_groups
from robust.report.robustbench import CLAIMS, HEADS, Imported, sort_entries
from robust.report.table import cells, columns, describe_folds, describe_rounding, describe_scores, legend

LINKS = (
    "Charts and the details of each model: [index.html](index.html), to be opened in a browser. Full precision: "
    "[leaderboard.csv](leaderboard.csv), one line a row; [results.csv](results.csv), one line an attack; "
    "[groups.csv](groups.csv), one line a class or group."
)


def markdown(boards: Sequence[Board], imported: Sequence[Imported] = ()) -> str:
    """Return the whole page."""
    head = [GENERATED["README.md"], "# Robustness leaderboard", "", legend(boards), "", LINKS]
    sections = [line for board in boards for line in _section(board)]
    return "\n".join([*head, *sections, *(_claims(imported) if imported else [])]) + "\n"


def _claims(imported: Sequence[Imported]) -> list[str]:
    heads = ["data", "threat", *HEADS]
    rows = [[entry.data, entry.threat, *entry.cells] for entry in sort_entries(imported)]
    lines = [heads, [":---"] * len(heads), *([escape(cell) for cell in row] for row in rows)]
    return ["", "## Reported elsewhere", "", CLAIMS, "", *(f"| {' | '.join(line)} |" for line in lines)]


def _section(board: Board) -> list[str]:
    return [
        "",
        f"## {escape(board.title)}, {escape(board.suite)}",
        "",
        *([escape(words), ""] if (words := explain_threat(board.threat)) else []),
        *table(board),
        *moved_features(board),
        *stages(board),
        *(["", escape(note)] if (note := describe_rounding(board)) else []),
        *(["", escape(means)] if (means := describe_scores(board)) else []),
        *(line for row in board.rows if (told := describe_random(row.record)) for line in ("", f"{escape(told)}.")),
        *(line for row in board.rows if (told := describe_folds(row)) for line in ("", escape(told))),
        *(part for row in board.rows if (told := describe_corrupted(row.record)) for part in ("", f"{escape(told)}.")),
        *(part for row in board.rows if (told := describe_groups(row.record)) for part in ("", f"{escape(told)}.")),
    ]


def moved_features(board: Board) -> list[str]:
    """Return the lines that list, for each row of a table or of several inputs, what moved most."""
    found = []
    for record in (row.record for row in board.rows if row.record.moved):
        heads = [escape(head) for head in moved_heads(record.threat)]
        cells = [[escape(cell) for cell in part.cells] for part in record.moved[:MOST_MOVED]]
        who = f"{record.model.name} ({record.recipe}): {moved_title(record.threat)}:"
        rule = [":---", "---:", "---:", "---:", ":---"]
        found += ["", escape(who), "", *(f"| {' | '.join(line)} |" for line in [heads, rule, *cells])]
    return found


def stages(board: Board) -> list[str]:
    """Return the lines that list the stages of a suite."""
    listed = [f"{k}. {escape(attack)}" for k, attack in enumerate(board.stages, 1)]
    intro = "The stages, each on the samples that those before it left robust (figures: [results.csv](results.csv)):"
    return ["", intro, "", *listed] if listed else []


def table(board: Board) -> list[str]:
    """Return the lines of the table of one board."""
    stages = {*board.columns} - {*board.attacks}
    shown = [column.title not in stages for column in columns(board)]
    rule = ["---:" if column.numeric else ":---" for column in columns(board)]
    heads = [escape(column.title) for column in columns(board)]
    lines = [heads, rule, *([escape(cell) for cell in cells(board, row)] for row in board.rows)]
    return [f"| {' | '.join(compress(line, shown))} |" for line in lines]


def escape(text: str) -> str:
    """Escape a text of a user, so that nothing in it ends a cell or opens a tag, a link or an emphasis."""
    text = printable(" ".join(text.split()))
    for sign in "\\`*_[]<>|#~&$":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("://", ":\\//").replace("www.", "www\\.")  # or GitHub makes links of addresses
