"""Records -> rows -> boards: one board for each (data, threat, suite), its rows ordered and ranked."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, groupby

from robust.attacks.spec import Spec
from robust.record import Record
from robust.stats import fisher, holm, mcnemar, wilson

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """One model's line. Percentages are of all n samples."""

    record: Record
    rank: int  # 1 + the rows that are significantly better
    clean: float  # percent
    robust: float  # percent: answered right and broken by no attack
    low: float  # percent: the 95 % Wilson interval of `robust`
    high: float
    under: tuple[float, ...]  # percent: what each attack of the board leaves

    @property
    def drop(self) -> float:
        """Percentage points lost to the attacks."""
        return self.clean - self.robust

    @property
    def name(self) -> str:
        model = self.record.model
        return f"{model.name}-{model.training}-{model.weights[:8]}"


@dataclass(frozen=True, slots=True)
class Board:
    """The comparable rows: same data, threat model and attacks."""

    data: str
    threat: str
    suite: str
    attacks: tuple[str, ...]
    rows: tuple[Row, ...]


def boards(records: Iterable[Record]) -> list[Board]:
    """All boards, ordered by data, threat and suite."""

    def key(record: Record) -> tuple[str, str, str]:
        return record.data.name, record.threat, record.suite

    return [_board(list(group)) for _, group in groupby(sorted(records, key=key), key)]


def percent(k: int, n: int) -> float:
    return 100 * k / n


def attack_percent(record: Record, name: str) -> float:
    """What one attack leaves: answered right and not broken by it, in percent of all n samples."""
    broken = next(a.broken for a in record.attacks if Spec.parse(a.name) == Spec.parse(name))
    return percent(int((record.correct & ~broken).sum()), record.data.n)


def _board(records: list[Record]) -> Board:
    ordered = sorted(records, key=lambda r: (-r.robust.mean(), -r.correct.mean(), r.stem, r.data.digest, r.seed))
    attacks = tuple(sorted(attack.name for attack in ordered[0].attacks))
    ranks = _ranks(ordered)
    rows = tuple(_row(record, rank, attacks) for record, rank in zip(ordered, ranks, strict=True))
    return Board(ordered[0].data.name, ordered[0].threat, ordered[0].suite, attacks, rows)


def _row(record: Record, rank: int, attacks: tuple[str, ...]) -> Row:
    n, k = record.data.n, int(record.robust.sum())
    low, high = wilson(k, n)
    under = tuple(attack_percent(record, name) for name in attacks)
    return Row(record, rank, percent(int(record.correct.sum()), n), percent(k, n), 100 * low, 100 * high, under)


def _ranks(ordered: list[Record]) -> list[int]:
    """1 + how many rows are significantly better: McNemar on the same samples, Fisher on others, Holm over all."""
    pairs = list(combinations(range(len(ordered)), 2))  # the first of a pair is at least as robust
    p_values = holm([_p_value(ordered[a], ordered[b]) for a, b in pairs])
    better = [0] * len(ordered)
    for (_, worse), p in zip(pairs, p_values, strict=True):
        better[worse] += p < ALPHA
    return [1 + count for count in better]


def _p_value(a: Record, b: Record) -> float:
    return (mcnemar if a.data == b.data else fisher)(a.robust, b.robust)
