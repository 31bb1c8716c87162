"""The tests of accuracies: without an attack, under one attack, and under one suite."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from robust.attacks.criteria.registry import label_kind
from robust.attacks.draws import draws_slug
from robust.attacks.factory import find_bound
from robust.attacks.families import MAPS
from robust.attacks.words import threat_slug
from robust.evaluation.corruptions import describe_parameters, name_resize
from robust.evaluation.suite_run import is_unattacked
from robust.evaluation.time_limit import TIME
from robust.flags import Flags
from robust.gates import Decision, Floor, Gates, Measured, decide, describe_next
from robust.models.answering import draws_of
from robust.records.groups import find_weakest
from robust.report.scores import MeanFigure, list_means
from robust.session.advice import CLEAN_ADVICE, advise, advise_certified
from robust.session.case import DECISIONS, Case, fail
from robust.session.certification import Certification
from robust.session.group_gates import PARTS, decide_groups
from robust.session.measurement import Measurements
from robust.session.payload import RowPart
from robust.session.payload_builder import PayloadBuilder
from robust.session.preflight import Preflight
from robust.session.resources import Resources
from robust.session.result import Result
from robust.session.selection import count_attacks, is_judged, is_to_certify, is_to_curve, node_id

STOPPED = "the search for the worst scores was stopped by the time: under attack the mean may be worse"


class Commands(NamedTuple):
    """The command of this run, without node ids."""

    repeat: str  # as it was typed
    row: str  # the same with what the ini file says: for whoever has the row alone


class AccuracyTest:
    """The tests of one process, and the gates on their figures."""

    def __init__(
        self,
        resources: Resources,
        measurements: Measurements,
        preflight: Preflight,
        certification: Certification,
        commands: Commands,
    ) -> None:
        self.commands = commands
        self._data = resources.data
        self._certification = certification
        self._answers = resources.answers
        self._settings = resources.settings
        self._gates: Gates = resources.settings.gates
        self._measurements = measurements
        self._preflight = preflight
        self._payloads = PayloadBuilder(resources)

    def test_clean(self, case: Case) -> None:
        """Test the accuracy without an attack."""
        with self._measurements.show_bar(f"{case.variant.spec.name}, clean accuracy"):
            clean, n = self._answers.get_clean(case.module, case.samples), len(case.samples)
        measured = Measured.of(int(clean.correct.sum()), n)
        case.note("clean_percent", round(measured.percent, 4))
        case.hand_over(self._payloads.build(case))
        if clean.undecided is not None:
            case.note("clean_undecided", int(clean.undecided.sum()))
        for figure in list_means(case.samples.criterion, clean.score, clean.regions):
            self._note_mean(case, "clean_", figure)
        if clean.faulty:
            fail(f"the model answered {clean.faulty} of {n} clean samples with NaN or infinity")
        self.judge(case, f"clean accuracy {measured}", measured, self._gates.clean(), advice=CLEAN_ADVICE)

    def test_attack(self, case: Case, attack: str, threat: str, *, is_suite: bool = False) -> None:
        """Test the accuracy under one attack, or under one suite, which makes a row of its own."""
        self._preflight.refuse_futile(case)
        measurement = self._measurements.take(case, attack, threat)
        result = measurement.result
        row = RowPart(
            threat=result.threat,
            command=self.commands.row,
            suite=attack if is_suite else "",
            attacks=count_attacks(case.item),
            judged=is_judged(case.item),
            certified=is_to_certify(case.item),
            curved=is_to_curve(case.item),
            cache=measurement.cache,
            notes=(
                *self._note_fit(case, attack, result.threat, is_suite),
                *[STOPPED] * bool(result.found.score_partial),
                *filter(None, [result.found.note, self._note_corruptions(case, result.threat)]),
                *self._note_bound(attack, result.threat, is_suite),
            ),
            before=name_resize(case.samples, result.threat),
        )
        payload = self._payloads.build(case, row, result)
        case.hand_over(payload)
        low, high = result.interval
        for name, share in (("robust", result.accuracy), ("low", low), ("high", high)):
            case.note(f"{name}_percent", round(100 * share, 4))
        case.note("n", result.n)
        if result.found.undecided is not None:
            case.note("draws", draws_of(case.module))
            case.note("undecided", int(result.found.undecided.sum()))
        if result.found.partial:
            case.note("partial", result.found.partial)
        if result.found.queries is not None:
            case.note("queries_of_a_sample", result.found.asked)
        for figure in list_means(case.samples.criterion, result.found.score, result.found.regions, result.corrupted):
            self._note_mean(case, "", figure)
            self._judge_mean(case, result, figure)
        self._judge_groups(case, result)
        name = f"{threat_slug(threat)}/{attack}/" if is_suite else ""
        model = payload.setup.model
        self._judge_attack(
            case,
            result,
            is_suite,
            advise(self._settings, model, f"{name}{model.stem}{draws_slug(payload.setup.draws)}"),
        )

    def test_certified(self, case: Case, threat: str) -> None:
        """Test the share of the samples that are certified."""
        self._preflight.refuse_futile(case)
        certificate, cache = self._certification.certify(case, threat)
        row = RowPart(str(self._data.read_threat(threat)), self.commands.row, cache=cache)
        case.hand_over(replace(self._payloads.build(case, row), certificate=certificate))
        measured = Measured.of(int(certificate.certified.sum()), len(case.samples))
        shares = {"certified": measured.k / measured.n, "low": measured.low, "high": measured.high}
        for name, share in shares.items():
            case.note(f"{name}_percent", round(100 * share, 4))
        case.note("n", measured.n)
        case.note("certify", certificate.method)
        if certificate.partial:
            case.note("partial", certificate.partial)
        floor = self._gates.certified(threat)
        advice = advise_certified(certificate, self._find_robust(case, threat), floor)
        figure = f"certified {measured} by {certificate.method} under {threat}"
        self.judge(case, figure, measured, floor, advice=advice)

    def _find_robust(self, case: Case, threat: str) -> Flags:
        """Return which samples, (n,), are right, and not broken by what this process has measured."""
        robust = self._answers.get_clean(case.module, case.samples).correct.copy()
        for name in (*self._settings.attacks, *(suite.name for suite in self._settings.suites)):
            measurement = self._measurements.find(case, name, threat)
            if measurement is not None:
                robust &= ~measurement.result.found.adversarial
        return robust

    def _note_fit(self, case: Case, attack: str, threat: str, is_suite: bool) -> tuple[str, ...]:
        """Return the note for the row if the attack is run otherwise. Who named the attack is also warned."""
        note = self._measurements.plan.describe_changes(case, attack, threat)
        if note and not is_suite:
            case.warn(note)
        return (note,) if note else ()

    def _note_bound(self, attack: str, threat: str, is_suite: bool) -> tuple[str, ...]:
        """Return the note for the row if the attack, which is no suite, promises nothing of these maps."""
        if is_suite or label_kind(self._data.criterion) != MAPS:
            return ()
        note = find_bound(attack, self._data.read_threat(threat))
        return (note,) if note else ()

    def _note_corruptions(self, case: Case, threat: str) -> str:
        """Return the note for the row on whose parameters corruptions have; "" under other threat models."""
        return describe_parameters(threat, case.samples, self._settings.dataset.transforms)

    def _judge_attack(self, case: Case, result: Result, is_suite: bool, advice: str) -> None:
        floor = self._gates.attack(result.attack, result.threat)
        if floor is not None and is_unattacked(result.found) and result.measured.percent >= floor.percent:
            end = "its first stage ended" if is_suite else "it ended"
            stopped = f"{result.attack} under {result.threat} was stopped by the time before {end}"
            fail(f"--robust-fail-under={floor}: {stopped}, so nothing shows that it holds; give it more time")
        bound = result.found.partial == TIME
        self.judge(case, str(result), result.measured, floor, bound=bound, advice=advice)

    def _note_mean(self, case: Case, prefix: str, figure: MeanFigure) -> None:
        """Note a mean score, with its interval."""
        mean = figure.mean
        for name, value in (("", mean.value), ("_low", mean.low), ("_high", mean.high)):
            case.note(f"{prefix}{figure.key}{name}", round(value, 6))

    def _judge_mean(self, case: Case, result: Result, figure: MeanFigure) -> None:
        """Fail the test if the mean score under an attack does not keep its limit; warn if that is not settled."""
        floor = self._gates.limit(figure.measure, result.threat, rises=figure.rises)
        if floor is None:
            return
        bound = TIME in (result.found.partial, result.found.score_partial)
        decision = decide(figure.mean, floor, self._gates.fail_on, rises=figure.rises, bound=bound)
        self._tell(case, f"{figure} for {result.attack} under {result.threat}", decision)

    def _judge_groups(self, case: Case, result: Result) -> None:
        """Note the weakest class and group; fail the test if one that counts does not keep its floor."""
        try:
            counted = {
                measure: self._data.count(measure, case.samples, result.correct, result.robust) for measure in PARTS
            }
        except ValueError as error:  # a fixture of the user's may give samples that have no groups
            fail(f"--robust-groups: {error}")
        for measure, part in PARTS.items():
            if weakest := find_weakest(counted[measure]):
                percent, low, high = Measured.of(weakest.robust, weakest.n).bounds
                figures = {"": weakest.name, "_n": weakest.n}
                figures |= {"_percent": round(percent, 4), "_low": round(low, 4), "_high": round(high, 4)}
                for name, value in figures.items():
                    case.note(f"worst_{part}{name}", value)
        told = []
        for measure, groups in counted.items():
            floor, bound = self._gates.limit(measure, result.threat), result.found.partial == TIME
            decided = floor and decide_groups(groups, floor, self._gates.fail_on, bound=bound)
            if decided:
                told.append((f"{decided.figure} for {result.attack} under {result.threat}", decided.decision))
        self._tell_all(case, told)

    def report(self, case: Case, results: list[Result], floor: Floor | None) -> None:
        """Hand over the results that a user's test reports: those under one threat model make one row."""
        origin, threats = case.item.nodeid, [result.threat for result in results]
        rows = [
            RowPart(
                threat=result.threat,
                command=f"{self.commands.row} {shlex.quote(origin)}",
                origin=origin,
                attacks=threats.count(result.threat),
                floor=None if floor is None else floor.percent,
                notes=(
                    *self._note_fit(case, result.attack, result.threat, is_suite=False),
                    *filter(None, [self._note_corruptions(case, result.threat)]),
                ),
                before=name_resize(case.samples, result.threat),
            )
            for result in results
        ]
        case.hand_over(*(self._payloads.build(case, row, result) for row, result in zip(rows, results, strict=True)))

    def judge(
        self,
        case: Case,
        figure: str,
        measured: Measured,
        floor: Floor | None,
        *,
        bound: bool = False,
        advice: str = "",
    ) -> None:
        """Fail the test if the figure does not keep the floor; warn if that is not settled.

        `bound` says that the figure is an upper bound, since the time was up: more samples may be adversarial.
        `advice` says what to try next.
        """
        if floor is None:
            return
        decision = decide(measured, floor, self._gates.fail_on, bound)
        self._tell(case, figure, decision, describe_next(measured, floor, advice))

    def _tell(self, case: Case, figure: str, decision: Decision, steps: str = "") -> None:
        self._tell_all(case, [(figure, decision)], steps)

    def _tell_all(self, case: Case, decided: Sequence[tuple[str, Decision]], steps: str = "") -> None:
        """Fail the test with all of the figures that do not keep their floors; warn of those that are not settled."""
        case.item.stash.setdefault(DECISIONS, []).extend(decision for _, decision in decided)
        for figure, decision in decided:
            if decision.ruling == "inconclusive":
                case.warn(f"inconclusive: {figure}: {decision.message}")
        if failed := [f"{figure} {decision.message}" for figure, decision in decided if decision.ruling == "fails"]:
            repeat = f"repeat: {self.commands.repeat} '{node_id(case.item)}'"
            fail("\n".join(filter(None, (*failed, repeat, steps))))
