"""The accuracy after so many queries of a sample, in words: for attacks that only ask."""

from robust.records.attack_outcome import AttackOutcome
from robust.records.queries import list_marks, median_queries, queries_of, robust_after
from robust.report.board import Row, percent
from robust.stats import wilson


def describe_queries(row: Row) -> list[str]:
    """Return a line for each attack of a row that counts its queries."""
    record = row.record
    who = f"{record.model.name} ({record.recipe})"
    return [f"{who}, {told}" for attack in record.attacks if (told := _describe(attack, record.data.n))]


def _describe(attack: AttackOutcome, n: int) -> str:
    queries = queries_of(attack)
    if queries is None or not attack.asked:
        return ""
    robust = {mark: int(robust_after(queries, mark).sum()) for mark in list_marks(attack.asked)}
    figures = [f"{percent(k, n):.1f} % after {mark:,}" for mark, k in robust.items()]
    low, high = wilson(robust[attack.asked], n)
    median = median_queries(queries)
    half = "" if median is None else f"; half of the broken samples took {median:,.0f} or fewer"
    interval = f" (95 % interval {100 * low:.1f} to {100 * high:.1f})"
    return f"{attack.name}, robust by queries of a sample: {', '.join(figures)}{interval}{half}"
