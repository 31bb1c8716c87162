"""The accuracy under each corruption, and their mean, for tables, the terminal and CSV."""

from collections.abc import Iterable
from typing import Any

from robust.gates import Measured
from robust.records.record import Record
from robust.report.scores import mean_corrupted

TITLE = "mean corrupted %"  # the column of a table
COLUMNS = (
    "corrupted",
    "corrupted_low",
    "corrupted_high",
    "worst_corruption",
    "worst_corruption_percent",
    "corrupted_before",
)
LEGEND = (
    "Mean corrupted: the mean over corruptions of the accuracy under each, of all samples, as published figures are; "
    "robust is what withstands all of them."
)


def mean_cell(record: Record) -> str:
    """Return the mean over corruptions as a cell; "" for a row without any."""
    return "" if record.corrupted is None else f"{mean_corrupted(record.corrupted).mean.value:.1f}"


def list_measured(record: Record) -> list[tuple[str, Measured]]:
    """List (corruption, accuracy under it), in the order of the threat model; none for a row without any."""
    return [] if record.corrupted is None else [(title, Measured.of(k, n)) for title, k, n in record.corrupted.counts]


def describe_corrupted(record: Record) -> str:
    """Return the mean over corruptions in words, and the accuracy under each, the worst first; "" without any."""
    measured = sorted(list_measured(record), key=lambda pair: pair[1].percent)
    if record.corrupted is None or not measured:
        return ""
    figure = mean_corrupted(record.corrupted)
    each = ", ".join(f"{title} {share.percent:.1f}" for title, share in measured)
    return f"{record.model.name} ({record.recipe}), {record.threat}: {figure}; in percent, {each}"


def csv_cells(record: Record) -> dict[str, Any]:
    """Return the cells of a row in CSV: the mean, the worst, and a column for each corruption; none without any."""
    measured = list_measured(record)
    if record.corrupted is None or not measured:
        return {}
    worst, share = min(measured, key=lambda pair: pair[1].percent)
    figures = (*mean_corrupted(record.corrupted).mean.bounds, worst, share.percent, record.corrupted_before)
    return dict(zip(COLUMNS, figures, strict=True)) | {column_of(title): one.percent for title, one in measured}


def list_columns(records: Iterable[Record]) -> list[str]:
    """List the columns of each corruption that any row has, in the order of the threat models."""
    return [*dict.fromkeys(column_of(title) for record in records for title, _ in list_measured(record))]


def column_of(title: str) -> str:
    """Return the column of the accuracy under one corruption."""
    return f"under {title} percent"
