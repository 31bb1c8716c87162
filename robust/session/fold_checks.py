"""The floors of a run with folds, on all folds of a recipe together: one alone is of few samples."""

from collections.abc import Iterator, Sequence

from robust.gates import WORST_CLASS, Decision, Floor, Gates, Mean, Measured, decide
from robust.records.attack_outcome import AttackOutcome
from robust.records.curve import eps_of
from robust.records.folds import PooledRecord, pool_folds
from robust.report.scores import list_means_of
from robust.session.group_gates import decide_groups, describe_left_out, list_parts
from robust.session.results import Results

Figure = tuple[str, Measured | Mean, Floor, bool]  # what it is, the figure, its floor, whether the score rises


class FoldChecks:
    """The floors of a run, and the pools that they are for."""

    def __init__(self, results: Results, gates: Gates, threats: Sequence[str]) -> None:
        self._results = results
        self._gates = gates
        self._threats = tuple(threats)

    def check(self, *, excused: bool = False) -> list[str]:
        """Decide all figures of all pools. Return a line for each that fails, and for a fold that was not measured.

        What is inconclusive becomes a warning. What was not measured is no failure if it is `excused`.
        """
        failures = [] if excused else self._results.describe_unfinished()
        for record in pool_folds(self._results.list_records()):
            assert isinstance(record, PooledRecord)  # a run with folds has no other rows
            measured = f"{len(record.folds)} of {record.of} folds" if record.missing else f"{record.of} folds"
            who = f"{record.model.name} ({record.model.training}), {record.threat}, {record.suite}, {measured}"
            if record.missing and self._gates.floors and not excused:
                failures.append(f"{who}: the others were not measured, so nothing shows that the floors hold")
            if record.missing:
                continue
            for name, figure, floor, rises in self._list_figures(record):
                decision = decide(figure, floor, self._gates.fail_on, bound=bool(record.partial), rises=rises)
                self._results.decisions[f"{who}: {name}"] = [decision]
                failures += self._tell(f"{who}: {name} {figure}", decision)
            failures += self._check_classes(who, record)
        return failures

    def _check_classes(self, who: str, record: PooledRecord) -> list[str]:
        """Decide the weakest class of a pool."""
        floor = self._gates.limit(WORST_CLASS, record.threat)
        parts = list_parts(record, WORST_CLASS)
        bound = bool(record.partial)
        if floor is None or (decided := decide_groups(parts, floor, self._gates.fail_on, bound=bound)) is None:
            return []
        if left_out := describe_left_out(parts, floor):
            self._results.warnings[left_out] = None
        self._results.decisions[f"{who}: {WORST_CLASS}"] = [decided.decision]
        return self._tell(f"{who}: {decided.figure}", decided.decision)

    def _tell(self, line: str, decision: Decision) -> list[str]:
        if decision.ruling == "inconclusive":
            self._results.warnings[f"{line}: inconclusive: {decision.message}"] = None
        return [f"{line} {decision.message}"] * (decision.ruling == "fails")

    def _list_figures(self, record: PooledRecord) -> Iterator[Figure]:
        """Yield the figures of a pool that have a floor."""
        gates, n = self._gates, record.data.n
        accuracies = [("clean accuracy", record.counts[0], gates.clean())]
        accuracies += [(f"robust accuracy under {a.name}", _count(record, a), gates.attack(a.name, record.threat))
                       for a in record.planned]  # fmt: skip
        names = [attack.name for attack in record.planned]
        if len(names) > 1:
            accuracies.append(("robust accuracy over all attacks", record.counts[1], gates.row(names, record.threat)))
        if record.certificate is not None:
            certified = int(record.certificate.certified.sum())
            accuracies.append(("certified accuracy", certified, gates.certified(record.threat)))
        for floor in gates.curve(record.curve.end, self._threats) if record.curve is not None else ():
            assert record.curve is not None
            marks = (record.curve.certified_at if floor.is_certified else record.curve.robust_at)(eps_of(floor.threat))
            accuracies.append((f"accuracy on the curve at {floor.threat}", int(marks.sum()), floor))
        yield from ((name, Measured.of(k, n), floor, False) for name, k, floor in accuracies if floor is not None)
        for mean in list_means_of(record):
            if limit := gates.limit(mean.measure, record.threat, rises=mean.rises):
                yield mean.title, mean.mean, limit, mean.rises


def _count(record: PooledRecord, attack: AttackOutcome) -> int:
    return int((record.correct & ~attack.adversarial).sum())
