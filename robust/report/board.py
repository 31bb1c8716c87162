"""Records -> rows -> boards: one board for each (data, threat, suite), its rows ordered and ranked."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, groupby

from robust.attacks.spec import Spec
from robust.records.attack_outcome import StageOutcome
from robust.records.record import MITIGATED, Record
from robust.stats import fisher, holm, mcnemar, wilson

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """One model's line. Percentages are of all n samples."""

    record: Record
    rank: int | None  # 1 + the rows that are significantly better; None of a partial record
    clean: float  # percent
    robust: float  # percent: answered right and broken by no attack
    low: float  # percent: the 95 % Wilson interval of `robust`
    high: float
    under: tuple[float | None, ...]  # percent: what is left in each column of the board; None where it was not reached

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
    """The comparable rows: same data, threat model and attacks.

    Its columns are the attacks; of a suite "after 1", "after 2", ...: what its first stages together leave.
    """

    data: str
    threat: str
    suite: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def attacks(self) -> tuple[str, ...]:
        """The columns but those of a suite's stages, which a page that people read has no room for."""
        return tuple(name for name in self.columns if not self.stages or name == MITIGATED)

    @property
    def judged(self) -> bool:
        """Whether any row was checked for whether it may be believed."""
        return any(row.record.trust for row in self.rows)

    @property
    def stages(self) -> tuple[str, ...]:
        """Of a suite the attacks of its stages, as far as any row came."""
        longest = max((stages_of(row.record) for row in self.rows), key=len)
        return tuple(stage.attack for stage in longest)


def boards(records: Iterable[Record]) -> list[Board]:
    """All boards, ordered by data, threat and suite; those whose rows were checked first."""

    def key(record: Record) -> tuple[str, str, str]:
        return record.data.name, record.threat, record.suite

    found = [_board(list(group)) for _, group in groupby(sorted(records, key=key), key)]
    return sorted(found, key=lambda board: (board.data, board.threat, not board.judged, board.suite))


def percent(k: int, n: int) -> float:
    return 100 * k / n


def stages_of(record: Record) -> tuple[StageOutcome, ...]:
    """Of a suite's record how far it was after each stage; of attacks' none."""
    return record.planned[0].stages if len(record.planned) == 1 else ()


def stage_percent(record: Record, stage: StageOutcome) -> float:
    """What a suite left after that stage, in percent of all n samples."""
    return percent(int(record.correct.sum()) - stage.adversarial, record.data.n)


def attack_percent(record: Record, name: str) -> float | None:
    """What one attack leaves: answered right and not broken by it, in percent of all n; None where it was not run."""
    adversarial = next((a.adversarial for a in record.attacks if Spec.parse(a.name) == Spec.parse(name)), None)
    return None if adversarial is None else percent(int((record.correct & ~adversarial).sum()), record.data.n)


def _board(records: list[Record]) -> Board:
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
    rows = sorted(  # what shares a rank stays together, though a paired test may rank a lower figure higher
        (_row(record, rank, columns, suite) for record, rank in zip(ordered, ranks, strict=True)),
        key=lambda row: len(ordered) + 1 if row.rank is None else row.rank,
    )
    return Board(ordered[0].data.name, ordered[0].threat, ordered[0].suite, columns, tuple(rows))


def _row(record: Record, rank: int | None, columns: tuple[str, ...], suite: bool) -> Row:
    n, k = record.data.n, int(record.robust.sum())
    low, high = wilson(k, n)
    after = {f"after {k}": stage_percent(record, stage) for k, stage in enumerate(stages_of(record), 1)}
    under = [after.get(name) if suite and name != MITIGATED else attack_percent(record, name) for name in columns]
    return Row(record, rank, percent(int(record.correct.sum()), n), percent(k, n), 100 * low, 100 * high, tuple(under))


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
