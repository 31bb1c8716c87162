"""The cells of a board, the same for the terminal and for Markdown."""

from dataclasses import dataclass

from robust.report.board import Board, Row, percent

LEGEND = (
    "Robust: answered right and broken by none of the attacks, in percent of all n samples, with the 95 % Wilson "
    "interval; an upper bound of the true robustness: what is broken was verified, what stands cannot be. Rank: 1 + "
    "the rows that are significantly better (exact McNemar test on the same samples, Holm's correction, 5 %), so rows "
    "that cannot be told apart share a rank. Partial: stopped before the end of the suite, so that more may be broken; "
    "never ranked."
)


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and whether its cells are numbers."""

    title: str
    numeric: bool = True


def columns(board: Board) -> list[Column]:
    attacks = [Column(name) for name in board.columns]
    return [
        Column("rank"),
        Column("model", numeric=False),
        Column("training", numeric=False),
        Column("clean %"),
        *attacks,
        Column("robust %"),
        Column("95 % interval"),
        *[Column("verdict", numeric=False)] * board.judged,
        Column("drop"),
        Column("n"),
        Column("params"),
        Column("weights", numeric=False),
    ]


def rounded(board: Board) -> str:
    """What is left where the adversarial inputs are rounded to the data's levels, of the rows where that differs."""
    found = []
    for row in board.rows:
        stored, record = row.record.robust_rounded, row.record
        if stored is not None and stored.sum() != record.robust.sum():
            figure = percent(int(stored.sum()), record.data.n)
            found.append(f"{record.model.name} ({record.recipe}) {figure:.1f} at {record.levels} levels")
    told = "Some inputs fool no more once they are saved as the data is; robust % then: "
    return f"{told}{'; '.join(found)}." if found else ""


def alone(board: Board) -> str:
    """What is left under each of several attacks, of a table that has no room for these; "" where there is one."""
    places = [k for k, name in enumerate(board.columns) if name in board.attacks]
    if len(places) < 2:
        return ""
    told = []
    for row in board.rows:
        figures = ("-" if row.under[k] is None else f"{row.under[k]:.1f}" for k in places)
        told.append(f"{row.record.model.name} ({row.record.recipe}) {', '.join(figures)}")
    return f"Under {', '.join(board.columns[k] for k in places)} alone: {'; '.join(told)}."


def cells(board: Board, row: Row) -> list[str]:
    model, data = row.record.model, row.record.data
    figures = ["" if value is None else f"{value:.1f}" for value in (row.clean, *row.under, row.robust)]
    interval = f"{row.low:.1f} to {row.high:.1f}"
    verdict = [row.record.verdict or "unchecked"] * board.judged
    tail = [interval, *verdict, f"{row.drop:.1f}", str(data.n), f"{model.params:,}", model.weights[:8]]
    return ["partial" if row.rank is None else str(row.rank), model.name, row.record.recipe, *figures, *tail]
