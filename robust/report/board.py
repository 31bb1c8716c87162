"""Boards: the comparable rows of one (data, threat, suite), ordered and ranked."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, groupby
from operator import attrgetter

from robust.attacks.spec import Spec
from robust.records.attack_outcome import StageOutcome
from robust.records.record import MITIGATED, Record
from robust.stats import fisher, holm, mcnemar, wilson

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one record. Percentages are of all n samples."""

    record: Record
    rank: int | None  # 1 + the number of significantly better rows; None for a partial record
    clean: float  # percent
    robust: float  # percent: answered right without an attack and under every attack
    low: float  # percent: the 95 % Wilson interval of `robust`
    high: float
    under: tuple[float | None, ...]  # percent: robust accuracy in each column of the board; None if not measured

    @property
    def drop(self) -> float:
        """The clean minus the robust accuracy, in percentage points."""
        return percent(int(self.record.correct.sum()) - int(self.record.robust.sum()), self.record.data.n)

    @property
    def name(self) -> str:
        """The model, its training and the beginning of the hash of its weights."""
        model = self.record.model
        return f"{model.name}-{model.training}-{model.weights[:8]}"


@dataclass(frozen=True, slots=True)
class Board:
    """The rows of the same data, threat model and attacks.

    The columns are the attacks; for a suite "after 1", "after 2", ...: the robust accuracy after that many stages.
    """

    data: str
    threat: str
    suite: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def attacks(self) -> tuple[str, ...]:
        """The columns without those of a suite's stages, for tables that have no room for them."""
        return tuple(name for name in self.columns if not self.stages or name == MITIGATED)

    @property
    def judged(self) -> bool:
        """Whether any row has a verdict."""
        return any(row.record.trust for row in self.rows)

    @property
    def stages(self) -> tuple[str, ...]:
        """The attacks of a suite's stages, as many as any row completed; empty for attacks."""
        longest = max((stages_of(row.record) for row in self.rows), key=len)
        return tuple(stage.attack for stage in longest)


def boards(records: Iterable[Record]) -> list[Board]:
    """Return all boards by data and threat model, first those with verdicts, then by suite."""

    key = attrgetter("board")
    made = [_make_board(list(group)) for _, group in groupby(sorted(records, key=key), key)]
    return sorted(made, key=lambda board: (board.data, board.threat, not board.judged, board.suite))


def percent(k: int, n: int) -> float:
    """Return k of n in percent."""
    return 100 * k / n


def stages_of(record: Record) -> tuple[StageOutcome, ...]:
    """Return the stages of a suite's record; none for a record of attacks."""
    return record.planned[0].stages if len(record.planned) == 1 else ()


def stage_percent(record: Record, stage: StageOutcome) -> float:
    """Return the robust accuracy after a stage of a suite, in percent of all n samples."""
    return percent(int(record.correct.sum()) - stage.adversarial, record.data.n)


def attack_percent(record: Record, name: str) -> float | None:
    """Return the robust accuracy under one attack, in percent of all n samples; None if it was not run."""
    adversarial = next((a.adversarial for a in record.attacks if Spec.parse(a.name) == Spec.parse(name)), None)
    return None if adversarial is None else percent(int((record.correct & ~adversarial).sum()), record.data.n)


def _make_board(records: list[Record]) -> Board:
    def key(record: Record) -> tuple[object, ...]:
        figures = (-record.robust.mean(), -record.correct.mean())
        return (bool(record.partial), *figures, record.stem, record.data.digest, record.seed)

    ordered = sorted(records, key=key)
    whole = [record for record in ordered if not record.partial]
    ranks = [*_ranks(whole), *[None] * (len(ordered) - len(whole))]
    suite = any(stages_of(record) or record.partial for record in ordered)
    reached = range(1, 1 + max(len(stages_of(record)) for record in ordered))
    attacks = sorted(attack.name for attack in ordered[0].planned)
    columns = tuple(f"after {k}" for k in reached) if suite else tuple(attacks)
    columns += (MITIGATED,) * any(len(record.attacks) > len(record.planned) for record in ordered)
    rows = sorted(  # by rank first, since a paired test may rank a lower figure higher
        (_make_row(record, rank, columns, suite) for record, rank in zip(ordered, ranks, strict=True)),
        key=lambda row: len(ordered) + 1 if row.rank is None else row.rank,
    )
    return Board(ordered[0].data.name, ordered[0].threat, ordered[0].suite, columns, tuple(rows))


def _make_row(record: Record, rank: int | None, columns: tuple[str, ...], suite: bool) -> Row:
    n, k = record.data.n, int(record.robust.sum())
    low, high = wilson(k, n)
    after = {f"after {k}": stage_percent(record, stage) for k, stage in enumerate(stages_of(record), 1)}
    under = [after.get(name) if suite and name != MITIGATED else attack_percent(record, name) for name in columns]
    return Row(record, rank, percent(int(record.correct.sum()), n), percent(k, n), 100 * low, 100 * high, tuple(under))


def _ranks(ordered: list[Record]) -> list[int]:
    """Return 1 + the number of significantly better rows: McNemar on equal samples, else Fisher, with Holm over all."""
    pairs = list(combinations(range(len(ordered)), 2))  # the first of a pair has the higher figure
    p_values = holm([_p_value(ordered[a], ordered[b]) for a, b in pairs])
    better = [0] * len(ordered)
    for (_, worse), p in zip(pairs, p_values, strict=True):
        better[worse] += p < ALPHA
    return [1 + count for count in better]


def _p_value(a: Record, b: Record) -> float:
    return (mcnemar if a.data == b.data else fisher)(a.robust, b.robust)
