"""Boards: the comparable rows of one (data, threat, suite), ordered and ranked."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby, zip_longest
from operator import attrgetter

from robust.attacks.criteria.registry import DEFAULT
from robust.attacks.spec import Spec
from robust.records.added import ADDED
from robust.records.attack_outcome import StageOutcome
from robust.records.folds import PooledRecord, pool_folds
from robust.records.record import Record
from robust.report.ranks import ranks
from robust.report.scores import Scores, scores_of
from robust.stats import wilson


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
    scores: tuple[Scores, ...] = ()  # mean scores, by a criterion that has some

    @property
    def drop(self) -> float:
        """The clean minus the robust accuracy, in percentage points."""
        return percent(self.record.counts[0] - self.record.counts[1], self.record.data.n)

    @property
    def certified(self) -> float | None:
        """The certified samples in percent of all n; None without a certificate."""
        certificate = self.record.certificate
        return None if certificate is None else percent(int(certificate.certified.sum()), self.record.data.n)

    @property
    def open(self) -> float | None:
        """The open samples, neither certified nor broken, in percent of all n; None without a certificate."""
        marks = self.record.open
        return None if marks is None else percent(int(marks.sum()), self.record.data.n)

    @property
    def name(self) -> str:
        """The model, its training and the beginning of the hash of its weights."""
        model = self.record.model
        return f"{model.name}-{model.training}-{model.weights[:8]}"


@dataclass(frozen=True)
class Board:
    """The rows of the same data, threat model and attacks.

    The columns are the attacks; for a suite "after 1", "after 2", ...: the robust accuracy after that many stages. What
    is found by a look at all rows is found once, since each row of a large board asks for it.
    """

    data: str
    threat: str
    suite: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    criterion: str = DEFAULT

    @property
    def title(self) -> str:
        """The data and the threat model, and the criterion if it is not `class`."""
        return ", ".join((self.data, self.threat, *[self.criterion] * (self.criterion != DEFAULT)))

    @cached_property
    def scored(self) -> tuple[str, ...]:
        """The names of the mean scores that rows have."""
        return tuple(dict.fromkeys(scores.name for row in self.rows for scores in row.scores))

    @cached_property
    def attacks(self) -> tuple[str, ...]:
        """The columns without those of a suite's stages, for tables that have no room for them."""
        return tuple(name for name in self.columns if not self.stages or name in ADDED)

    @cached_property
    def judged(self) -> bool:
        """Whether any row has a verdict."""
        return any(row.record.trust for row in self.rows)

    @cached_property
    def classed(self) -> bool:
        """Whether any row says how robust each of several classes is."""
        return any(len(row.record.by_class) > 1 for row in self.rows)

    @cached_property
    def corrupted(self) -> bool:
        """Whether any row has the accuracy under each corruption."""
        return any(row.record.corrupted for row in self.rows)

    @cached_property
    def certified(self) -> bool:
        """Whether any row has a certificate."""
        return any(row.record.certificate for row in self.rows)

    @cached_property
    def curved(self) -> bool:
        """Whether any row has a curve."""
        return any(row.record.curve for row in self.rows)

    @cached_property
    def proved(self) -> bool:
        """Whether any row has certified radii."""
        return any(row.record.curve and row.record.curve.proved for row in self.rows)

    @cached_property
    def folded(self) -> bool:
        """Whether any row is of folds."""
        return any(isinstance(row.record, PooledRecord) for row in self.rows)

    @cached_property
    def drawn(self) -> bool:
        """Whether the answers of any row are random."""
        return any(row.record.draws for row in self.rows)

    @cached_property
    def digests(self) -> frozenset[str]:
        """The digests of the samples: of several, rows were measured on different ones."""
        return frozenset(row.record.data.digest for row in self.rows)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """List the numbers of samples that the rows have, each once, ascending."""
        return tuple(sorted({row.record.data.n for row in self.rows}))

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """The attacks of a suite's stages, as many as any row completed; empty for attacks."""
        longest = max((stages_of(row.record) for row in self.rows), key=len)
        return tuple(stage.attack for stage in longest)


def boards(records: Iterable[Record]) -> list[Board]:
    """Return all boards by data and threat model, first those with verdicts, then by suite. Folds make one row."""

    key = attrgetter("board")
    made = [_make_board(list(group)) for _, group in groupby(sorted(pool_folds(records), key=key), key)]
    return sorted(made, key=lambda board: (board.data, board.threat, not board.judged, board.suite))


def percent(k: int, n: int) -> float:
    """Return k of n in percent."""
    return 100 * k / n


def stages_of(record: Record) -> tuple[StageOutcome, ...]:
    """Return the stages of a suite's record; none for a record of attacks."""
    return record.planned[0].stages if len(record.planned) == 1 else ()


def stage_percent(record: Record, stage: StageOutcome) -> float:
    """Return the robust accuracy after a stage of a suite, in percent of all n samples."""
    return percent(record.counts[0] - stage.adversarial, record.data.n)


def _make_board(records: list[Record]) -> Board:
    def key(record: Record) -> tuple[object, ...]:
        figures = (-record.robust.mean(), -record.correct.mean())
        return (bool(record.partial), *figures, record.stem, record.data.digest, record.seed)

    ordered = sorted(records, key=key)
    whole = [record for record in ordered if not record.partial]
    ranked = ranks([record.robust for record in whole], [record.data for record in whole])
    suite = any(stages_of(record) or record.partial for record in ordered)
    reached = range(1, 1 + max(len(stages_of(record)) for record in ordered))
    attacks = sorted(attack.name for attack in ordered[0].planned)
    columns = tuple(f"after {k}" for k in reached) if suite else tuple(attacks)
    run = {attack.name for record in ordered for attack in record.attacks}
    columns += tuple(name for name in ADDED if name in run)
    rows = sorted(  # by rank first, since a paired test may rank a lower figure higher
        (_make_row(record, rank, columns, suite) for record, rank in zip_longest(ordered, ranked)),
        key=lambda row: len(ordered) + 1 if row.rank is None else row.rank,
    )
    return Board(
        ordered[0].data.name, ordered[0].threat, ordered[0].suite, columns, tuple(rows), ordered[0].criterion["name"]
    )


def _make_row(record: Record, rank: int | None, columns: tuple[str, ...], suite: bool) -> Row:
    n, k = record.data.n, record.counts[1]
    low, high = wilson(k, n)
    after = {f"after {k}": stage_percent(record, stage) for k, stage in enumerate(stages_of(record), 1)}
    alone = _attack_percents(record)
    under = [after.get(name) if suite and name not in ADDED else alone.get(_parse(name)) for name in columns]
    return Row(
        record,
        rank,
        percent(record.counts[0], n),
        percent(k, n),
        100 * low,
        100 * high,
        tuple(under),
        scores_of(record),
    )


def _attack_percents(record: Record) -> dict[Spec, float]:
    """Return the robust accuracy under each attack alone, in percent of all n samples."""
    counts = {_parse(a.name): int((record.correct & ~a.adversarial).sum()) for a in reversed(record.attacks)}
    return {spec: percent(count, record.data.n) for spec, count in counts.items()}


_parse = lru_cache(4096)(Spec.parse)  # the same few texts stand in every row
