"""The gates that no test decides alone: of rows, once all is measured, and of floors that nothing was measured for."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from robust.gates import (
    CLEAN,
    MEAN,
    MIOU,
    Decision,
    Floor,
    Gates,
    Measured,
    certified_scopes,
    decide,
    describe_next,
    foresee,
    scopes,
)
from robust.records.attack_outcome import AttackOutcome
from robust.records.folds import pool_folds
from robust.records.groups import Group
from robust.records.record import Record
from robust.report.scores import MeanFigure, list_means_of
from robust.session.group_gates import (
    PARTS,
    GroupDecision,
    decide_groups,
    describe_left_out,
    describe_none,
    find_counted,
    foresee_groups,
    list_parts,
)
from robust.session.results import Results
from robust.session.row_key import RowKey

NAMED = 5  # samples that a line names


class GateChecks:
    """The floors of a run, and the results that they are for."""

    def __init__(self, results: Results, gates: Gates, advise: Callable[[Record], str] = lambda record: "") -> None:
        """`advise` returns what to try next where a row's figure fails."""
        self._results = results
        self._gates = gates
        self._advise = advise

    def foretell(self, n: int, count: Callable[[str], Sequence[Group]] = lambda measure: ()) -> list[str]:
        """Return a line for each floor that some figures of n samples will not settle; a warning, too, if none will.

        `count` returns the classes ("worst-class") or groups ("group") of the samples.
        """
        fail_on = self._gates.fail_on
        floors = [floor for floor in self._gates.floors if not floor.measure]
        forecasts = [*filter(None, (foresee(floor, n, fail_on) for floor in floors))]
        left_out = []
        for floor in (floor for floor in self._gates.floors if floor.measure in PARTS):
            groups = count(floor.measure)
            left_out += [describe_left_out(groups, floor)]
            forecasts += filter(None, [foresee_groups(groups, floor, fail_on)])
        self._results.warnings |= {forecast.message: None for forecast in forecasts if forecast.hopeless}
        return [*(forecast.message for forecast in forecasts), *filter(None, left_out)]

    def floor_of(self, key: RowKey) -> Floor | None:
        """Return the floor of a row's figure; None if there is none."""
        record, percent = self._results.get_record(key), self._results.get_part(key).floor
        if percent is not None:  # the user's test has set it
            return Floor(percent)
        return self._gates.row([attack.name for attack in record.planned], record.threat)

    def decide(self, key: RowKey) -> Decision | None:
        """Decide whether a row's figure keeps its floor; None if there is none."""
        record, floor = self._results.get_record(key), self.floor_of(key)
        if floor is None:
            return None
        return decide(_of_row(record), floor, self._gates.fail_on, bound=bool(record.partial))

    def check_rows(self, *, excused: bool = False) -> list[str]:
        """Decide the figures of all rows that no test has decided. Returns a line for each that fails.

        What is inconclusive becomes a warning. A row that was not made fails, too, unless it is `excused`.
        """
        failures = [] if excused else self._results.describe_unfinished()
        for key, record in self._results.list_complete():
            for name, measured, floor, decision in self._undecided(key, record):
                who = f"{record.model.name} ({record.model.training}), {record.threat}"
                figure = f"robust accuracy {measured} over {name}"
                self._results.decisions[f"{who}: {name}"] = [decision]
                if decision.ruling == "fails":
                    steps = describe_next(measured, floor, self._advise(record))
                    failures.append("; ".join(filter(None, (f"{who}: {figure} {decision.message}", steps))))
                if decision.ruling == "inconclusive":
                    self._results.warnings[f"{who}: inconclusive: {figure}: {decision.message}"] = None
            failures += self._check_means(key, record)
            failures += self._check_groups(key, record)
        return failures

    def decide_groups(self, key: RowKey, measure: str) -> tuple[Floor, GroupDecision | None] | None:
        """Return the floor of a row's classes or groups, and the decision on it; None if there is no floor."""
        record = self._results.get_record(key)
        floor = self._gates.limit(measure, record.threat)
        if floor is None:
            return None
        return floor, decide_groups(list_parts(record, measure), floor, self._gates.fail_on, bound=bool(record.partial))

    def _check_groups(self, key: RowKey, record: Record) -> Iterator[str]:
        """Decide the classes and groups of a row unless the test of its only attack did; yield a line for each failure.

        What is left out becomes a warning.
        """
        who = f"{record.model.name} ({record.model.training}), {record.threat}"
        for measure in PARTS:
            if (found := self.decide_groups(key, measure)) is None:
                continue
            floor, decided = found
            if left_out := describe_left_out(list_parts(record, measure), floor):
                self._results.warnings[left_out] = None
            if decided is None or self._is_settled(key, record):
                continue
            self._results.decisions[f"{who}: {measure}"] = [decided.decision]
            line = f"{who}: {decided.figure} over {record.suite}"
            if decided.decision.ruling == "inconclusive":
                self._results.warnings[f"{line}: inconclusive: {decided.decision.message}"] = None
            if decided.decision.ruling == "fails":
                yield f"{line} {decided.decision.message}"

    def _is_settled(self, key: RowKey, record: Record) -> bool:
        """Whether the test of the row's only attack has decided the very same figures."""
        if len(record.planned) > 1 or key.origin:
            return False
        return _of_attack(record, record.planned[0]) == _of_row(record)

    def _list_limits(self, record: Record) -> Iterator[tuple[MeanFigure, Floor]]:
        """Yield the mean scores of a row under attack that have a limit, each with it."""
        for figure in list_means_of(record):
            if floor := self._gates.limit(figure.measure, record.threat, rises=figure.rises):
                yield figure, floor

    def _check_means(self, key: RowKey, record: Record) -> Iterator[str]:
        """Decide the mean scores of a row unless the test of its only attack did; yield a line for each that fails."""
        if len(record.planned) == 1 and not key.origin:
            return
        who = f"{record.model.name} ({record.model.training}), {record.threat}"
        for figure, floor in self._list_limits(record):
            bound = bool(record.partial)
            decision = decide(figure.mean, floor, self._gates.fail_on, rises=figure.rises, bound=bound)
            line = f"{who}: {figure} over {record.suite}"
            self._results.decisions[f"{who}: {figure.title}"] = [decision]
            if decision.ruling == "inconclusive":
                self._results.warnings[f"{line}: inconclusive: {decision.message}"] = None
            if decision.ruling == "fails":
                yield f"{line} {decision.message}"

    def _undecided(self, key: RowKey, record: Record) -> Iterator[tuple[str, Measured, Floor, Decision]]:
        """Yield (the attacks' name, their figure, its floor, the decision on it).

        A row of the shipped tests yields the figure of all attacks together, unless the test of one attack settles it.
        A row of a user's test yields the figure of each attack, too.
        """
        floor, together, row = self.floor_of(key), _of_row(record), self.decide(key)
        floors = [(attack, self._gates.attack(attack.name, record.threat)) for attack in record.planned]
        if key.origin and self._results.get_part(key).floor is None:
            for attack, own in floors:
                if own is not None and own != floor:
                    measured = _of_attack(record, attack)
                    yield attack.name, measured, own, decide(measured, own, self._gates.fail_on)
        if floor is None or row is None:
            return
        tested = [] if key.origin else [_of_attack(record, attack) for attack, own in floors if own == floor]
        settled = together in tested or any(
            decide(measured, floor, self._gates.fail_on).ruling == "fails" for measured in tested
        )
        if not settled:
            yield record.suite, together, floor, row

    def check_contradictions(self) -> list[str]:
        """Return a line for each row some of whose samples are certified and broken at once."""
        lines = []
        for key, record in self._results.list_complete():
            if record.contradicted.any():
                numbers = self._results.list_numbers(key, record.contradicted)
                who = f"{record.model.name} ({record.model.training}), {record.threat}"
                lines.append(describe_contradiction(who, numbers, record))
        return lines

    def check_measured(self) -> list[str]:
        """Return a line for each floor that nothing was measured for."""
        return [_unmeasured(floor) for floor in self._gates.floors if not self._is_measured(floor)]

    def _is_measured(self, floor: Floor) -> bool:
        """Whether anything was measured that is held to the floor."""
        if floor.threat:
            norm = floor.threat.partition(":")[0]
            curves = [payload.curve.curve for payload in self._results.payloads if payload.curve]
            return any(curve.norm == norm and (curve.proved or not floor.is_certified) for curve in curves)
        if floor.is_certified:
            proofs = (payload.row for payload in self._results.payloads if payload.certificate and payload.row)
            return any(floor.scope in chain(*certified_scopes(row.threat)) for row in proofs)
        if floor.measure in PARTS:  # of which a fold alone may have too few samples
            records = pool_folds(record for _, record in self._results.list_complete())
            limited = (record for record in records if self._gates.limit(floor.measure, record.threat) == floor)
            return any(find_counted(list_parts(record, floor.measure)) for record in limited)
        if floor.measure:
            records = [record for _, record in self._results.list_complete()]
            return any(limit == floor for record in records for _, limit in self._list_limits(record))
        if floor.scope == CLEAN:
            return any(payload.row is None for payload in self._results.payloads)
        return any(
            floor.scope in chain(*scopes(payload.attack.outcome.name, payload.row.threat))
            for payload in self._results.payloads
            if payload.row and payload.row.floor is None and payload.attack and not payload.trust
        )


def describe_contradiction(who: str, numbers: list[int], record: Record) -> str:
    """Return the line on samples, by their numbers in the split, that are certified and broken at once."""
    more = f" and {len(numbers) - NAMED} more" * (len(numbers) > NAMED)
    which = f"{'samples' if len(numbers) > 1 else 'sample'} {', '.join(map(str, numbers[:NAMED]))}{more}"
    proofs = (record.certificate, record.curve and record.curve.proved)
    method = next((proof.method for proof in proofs if proof), "")
    return (
        f"{who}: {which} of the split: certified by {method}, and answered wrong for a verified input; one of "
        "the two is at fault, and no figure of the row can be believed; the row holds both, so report it with the row"
    )


def _of_row(record: Record) -> Measured:
    return Measured.of(int(record.robust.sum()), record.data.n)


def _of_attack(record: Record, attack: AttackOutcome) -> Measured:
    return Measured.of(int((record.correct & ~attack.adversarial).sum()), record.data.n)


def _unmeasured(floor: Floor) -> str:
    reasons = {
        None: "no attack was run",
        MEAN: "no mean score was measured",
        MIOU: "no mIoU was measured",
        CLEAN: "the clean accuracy was not measured",
    }
    if floor.is_certified:
        reasons[floor.scope] = "nothing was certified"
    if floor.threat:
        reasons[floor.scope] = "no curve was measured"
    if floor.measure in PARTS:
        return describe_none(floor)
    reason = reasons.get(floor.scope, f"no attack was run for {floor.scope}")
    return f"--robust-fail-under={floor}: {reason}, so nothing shows that it holds"
