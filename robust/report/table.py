"""The cells of a board, the same for the terminal and for Markdown."""

from collections.abc import Iterable
from dataclasses import dataclass

from robust.attacks.text import cut
from robust.flags import union
from robust.gates import Mean
from robust.records.added import CURVE
from robust.records.curve import Curve, describe_radius
from robust.records.folds import PooledRecord
from robust.records.groups import find_weakest
from robust.records.record import Record
from robust.report import corrupted
from robust.report.board import Board, Row, percent
from robust.report.draws import DRAWS
from robust.report.draws import TITLE as DRAWS_TITLE
from robust.report.scores import IOU
from robust.stats import wilson

MAX_NAME = 300  # characters of a name that a table shows
LEGEND = (
    "Robust: answered right without an attack and under every attack of the suite, in percent of all n samples, with "
    "the 95 % Wilson interval. It is an upper bound of the true robustness: adversarial inputs were verified, but an "
    "attack that was not run may find more of them. Rank: 1 + the number of rows that are significantly better (exact "
    "McNemar test on the same samples, Holm's correction, 5 %), so rows without a significant difference share a rank. "
    "Partial: the suite was stopped before its end, so more samples may be adversarial; such rows have no rank. A "
    "verdict with a star is without a check that could not be made; the findings of the row say which, and why."
)
PROOFS = (
    "Certified: a bound proves that no input within the threat model is answered wrong, rounding included. It is a "
    "lower bound of the true robustness. Open: neither certified nor broken."
)

CURVES = (
    "Median: the smallest eps at which at least half of the samples are answered wrong, by the smallest adversarial "
    "distance of each sample that was found and verified; a curve is an upper bound, too."
)
RADII = (
    "Certified median: the largest eps within which more than half of the samples are proved to be answered right, by "
    "the largest ball around each sample that a bound proves."
)
FOLDS = (
    "Folds: a recipe was trained once for each fold of the training split, on the others, and tested on the fold; the "
    "figures are of all samples together, each of the model that did not learn from it. The standard deviation over "
    "folds is of data and training at once; the folds share most of what they learn from, so it is no standard error."
)
WORST_CLASS = "worst class %"  # the title of the column of the weakest class
WEAKEST = (
    "Worst class: the lowest robust accuracy of a class, in percent of its own samples, which may be few; groups.csv "
    "has all classes, with their numbers of samples and intervals."
)
MAX_ATTACKS = 24  # whose figures a terminal lists below a table


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; its cells are numbers if `numeric`."""

    title: str
    numeric: bool = True
    folds: bool = False  # whether a cell may be broken into lines anywhere, as a name may


def legend(boards: Iterable[Board]) -> str:
    """Return what the columns of these boards mean."""
    boards = list(boards)
    marks = {
        WEAKEST: any(board.classed for board in boards),
        corrupted.LEGEND: any(board.corrupted for board in boards),
        PROOFS: any(board.certified for board in boards),
        CURVES: any(board.curved for board in boards),
        RADII: any(board.proved for board in boards),
        FOLDS: any(board.folded for board in boards),
        DRAWS: any(board.drawn for board in boards),
    }
    return " ".join([LEGEND, *(text for text, shown in marks.items() if shown)])


def columns(board: Board) -> list[Column]:
    """Return the columns of a board's table."""
    attacks = [Column(name) for name in board.columns]
    return [
        Column("rank"),
        Column("model", numeric=False, folds=True),
        Column("training", numeric=False, folds=True),
        Column("clean %"),
        *attacks,
        Column("robust %"),
        Column("95 % interval"),
        *[Column("sd of folds")] * board.folded,
        *[Column(WORST_CLASS)] * board.classed,
        *[Column(corrupted.TITLE)] * board.corrupted,
        *mean_columns(board),
        *[Column("certified %"), Column("open %")] * board.certified,
        *[Column("median")] * board.curved,
        *[Column("certified median")] * board.proved,
        *[Column("verdict", numeric=False)] * board.judged,
        *[Column(DRAWS_TITLE, numeric=False)] * board.drawn,
        Column("drop"),
        Column("n"),
        Column("params"),
        Column("weights", numeric=False),
    ]


def describe_bracket(row: Row, sign: str) -> str:
    """Return both bounds of the true robustness, "96.0 <= robust <= 96.5", and what lies between; or "".

    `sign` stands for "at most". What is certified is proved for all inputs; what was attacked, for those found.
    """
    certificate, record = row.record.certificate, row.record
    if certificate is None or row.certified is None or record.open is None:
        return ""
    n_open, low, high = int(record.open.sum()), *wilson(int(certificate.certified.sum()), record.data.n)
    who = f"{record.model.name} ({record.recipe}): {row.certified:.1f} {sign} robust {sign} {row.robust:.1f}"
    partial = ", stopped by the time" * bool(certificate.partial)
    proved = f"certified by {certificate.method}{partial}, 95 % interval {100 * low:.1f} to {100 * high:.1f}"
    return f"{who} ({proved}; {n_open} of {record.data.n} open)"


def describe_curve(row: Row) -> str:
    """Return the curve of a row in words: its median, the accuracies that are listed, and what it alone has found."""
    record, curve = row.record, row.record.curve
    if curve is None:
        return ""
    figures, proved = [], dict(curve.list_proved())
    for text, robust in curve.list_marks():
        low, high = wilson(int(robust.sum()), record.data.n)
        share = percent(int(robust.sum()), record.data.n)
        below = f", {percent(int(proved[text].sum()), record.data.n):.1f} % certified" if text in proved else ""
        figures.append(f"{share:.1f} % at {text} (95 % interval {100 * low:.1f} to {100 * high:.1f}{below})")
    partial = ", stopped by the time" * bool(curve.partial)
    who = f"{record.model.name} ({record.recipe}), curve up to {curve.end}{partial}"
    alone = count_alone(record)
    more = f"; {alone} of {record.data.n} samples under {record.threat} were found by the curve alone" * bool(alone)
    median = f"median {describe_radius(curve, curve.median)}{_describe_proved(curve)}"
    return f"{who}: {', '.join([median, *figures])}{more}"


def _describe_proved(curve: Curve) -> str:
    """Return the median of the certified radii in brackets; "" without them."""
    if (proved := curve.proved) is None:
        return ""
    partial = ", stopped by the time" * bool(proved.partial)
    return f" (certified by {proved.method}: {describe_radius(curve, proved.median)}{partial})"


def count_alone(record: Record) -> int:
    """Count the samples that the curve has broken, and none of the attacks that the user chose."""
    found = union(attack.adversarial for attack in record.attacks if attack.name == CURVE)
    return int((found & ~union(attack.adversarial for attack in record.planned)).sum())


def spread_of(record: Record) -> tuple[float | None, float | None]:
    """Return the standard deviations over folds of the clean and the robust accuracy, in points; None without folds."""
    if not isinstance(record, PooledRecord) or len(record.folds) < 2:
        return None, None
    clean, robust = record.shares.std(axis=0, ddof=1)
    return float(clean), float(robust)


def spread_cell(row: Row) -> str:
    """Return the standard deviation of the robust accuracy over folds as a cell; "" without folds."""
    deviation = spread_of(row.record)[1]
    return "" if deviation is None else f"{deviation:.1f}"


def describe_folds(row: Row) -> str:
    """Return the mean and the spread of a row's folds in words; "" for a row without folds."""
    record = row.record
    if not isinstance(record, PooledRecord):
        return ""
    missing = f" of {record.of}" * (len(record.folds) < record.of)
    figures = [
        f"{name} {share:.1f} ({'' if deviation is None else f'sd {deviation:.1f}, '}{low:.1f} to {high:.1f})"
        for name, share, deviation, low, high in zip(
            ("clean", "robust"),
            (row.clean, row.robust),
            spread_of(record),
            record.shares.min(0),
            record.shares.max(0),
            strict=True,
        )
    ]
    return f"{record.model.name} ({record.recipe}), {len(record.folds)}{missing} folds: {', '.join(figures)}"


def describe_rounding(board: Board) -> str:
    """Return the robust accuracies against inputs rounded to the data's levels, for rows where they differ; or ""."""
    figures = []
    for row in board.rows:
        stored, record = row.record.robust_rounded, row.record
        if stored is not None and stored.sum() != record.counts[1]:
            figure = percent(int(stored.sum()), record.data.n)
            figures.append(f"{record.model.name} ({record.recipe}) {figure:.1f} at {record.levels} levels")
    intro = "Robust % against inputs rounded to the levels of the data, where that differs: "
    return f"{intro}{'; '.join(figures)}." if figures else ""


def describe_scores(board: Board) -> str:
    """Return the mean scores of the rows with their intervals; "" if they have none."""
    told = []
    for name in board.scored:
        found = [(row.record, scores) for row in board.rows for scores in row.scores if scores.name == name]
        texts = [f"{record.model.name} ({record.recipe}) {scores}" for record, scores in found]
        told.append(f"{name if name == IOU else f'Mean {name}'}: {'; '.join(texts)}.")
    return " ".join(told)


def describe_attacks(board: Board) -> str:
    """Return the robust accuracy under each attack alone, for a table without these columns; "" for a single attack."""
    places = [k for k, name in enumerate(board.columns) if name in board.attacks]
    if len(places) < 2:
        return ""
    if len(places) > MAX_ATTACKS:
        texts = [f"{row.record.model.name} ({row.record.recipe}) {_lowest(board, row, places)}" for row in board.rows]
        return f"The lowest of {len(places):,} attacks alone: {'; '.join(texts)}; results.csv of a leaderboard has all."
    texts = []
    for row in board.rows:
        figures = ("-" if row.under[k] is None else f"{row.under[k]:.1f}" for k in places)
        texts.append(f"{row.record.model.name} ({row.record.recipe}) {', '.join(figures)}")
    return f"Under {', '.join(board.columns[k] for k in places)} alone: {'; '.join(texts)}."


def _lowest(board: Board, row: Row, places: list[int]) -> str:
    measured = ((figure, board.columns[k]) for k in places if (figure := row.under[k]) is not None)
    figure, name = min(measured, default=(row.robust, "all together"))
    return f"{figure:.1f} by {name}"


def mean_columns(board: Board) -> list[Column]:
    """Return the columns of the mean scores; none if no row has any."""
    return [Column(title) for name in board.scored for title in (name, f"attacked {name}")]


def mean_cells(board: Board, row: Row) -> list[str]:
    """Return the cells of a row's mean scores: of each without an attack, and under attack."""
    known = {scores.name: (scores.clean, scores.attacked) for scores in row.scores}
    return [text for name in board.scored for text in _two_cells(known.get(name))]


def _two_cells(pair: tuple[Mean, Mean] | None) -> list[str]:
    return ["", ""] if pair is None else [f"{mean.value:.4g}" for mean in pair]


def worst_cell(row: Row) -> str:
    """Return the robust accuracy of a row's weakest class; "" if it has no classes."""
    weakest = find_weakest(row.record.by_class)
    return "" if weakest is None else f"{weakest.percent:.1f}"


def cells(board: Board, row: Row) -> list[str]:
    """Return the cells of a row, one for each column."""
    model, data = row.record.model, row.record.data
    figures = ["" if value is None else f"{value:.1f}" for value in (row.clean, *row.under, row.robust)]
    interval = f"{row.low:.1f} to {row.high:.1f}"
    verdict = [row.record.marked_verdict] * board.judged
    proved = ["" if value is None else f"{value:.1f}" for value in (row.certified, row.open)] * board.certified
    curve = row.record.curve
    median = ["" if curve is None else describe_radius(curve, curve.median)] * board.curved
    below = ["" if not curve or not curve.proved else describe_radius(curve, curve.proved.median)] * board.proved
    means, worst = mean_cells(board, row), [worst_cell(row)] * board.classed
    worst += [corrupted.mean_cell(row.record)] * board.corrupted
    spread, draws = [spread_cell(row)] * board.folded, [row.record.draws] * board.drawn
    tail = [interval, *spread, *worst, *means, *proved, *median, *below, *verdict, *draws, f"{row.drop:.1f}"]
    tail += [str(data.n), f"{model.params:,}", model.weights[:8]]
    names = [cut(name, MAX_NAME) for name in (model.name, row.record.recipe)]
    return ["partial" if row.rank is None else str(row.rank), *names, *figures, *tail]
