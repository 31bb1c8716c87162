"""The tests of trust: of a model before it is attacked, and of a row's figures afterwards."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial, reduce

from robust.attacks.few_classes import fit_classes
from robust.attacks.threats.lp import LpThreat
from robust.evaluation.measure import AttackResult
from robust.evaluation.suite_run import is_unattacked
from robust.evaluation.time_limit import TIME, Deadline
from robust.flags import Flags, union
from robust.models.traits import only_answers
from robust.records.trust import VERDICTS, Finding, TrustReport
from robust.session.case import Case, fail
from robust.session.measurement import Measurements
from robust.session.mitigation import Mitigation
from robust.session.payload import AttackPayload, RowPart
from robust.session.payload_builder import PayloadBuilder
from robust.session.preflight import Preflight
from robust.session.resources import Resources
from robust.session.selection import CHECKS, part_of
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, THREAT_CHECKS, examine, join_reports
from robust.trust.fixed import count_fixed
from robust.trust.model_probe import draw_few_rows, load_few
from robust.trust.pass_budget import PassBudget
from robust.trust.pass_share import count_affordable
from robust.trust.settle import Tried, settle
from robust.trust.threat_probe import ThreatProbe
from robust.trust.training_cause import explain_by_training
from robust.verification.nearby import ask_nearby, draw_nearby

MORE_TIME = "give it more time, with --robust-time"


class TrustTest:
    """The tests of one process."""

    def __init__(self, resources: Resources, measurements: Measurements, preflight: Preflight) -> None:
        self._settings = resources.settings
        self._ranks = resources.ranks
        self._data = resources.data
        self._models = resources.models
        self._answers = resources.answers
        self._budget = resources.budget
        self._measurements = measurements
        self._payloads = PayloadBuilder(resources)
        self._mitigation = Mitigation(resources, measurements)
        self._preflight = preflight

    def test_preflight(self, case: Case) -> None:
        """Test a model, and the threat models, before anything attacks it."""
        reports = [self._preflight.check(case)]
        reports += [self._check_threat(case, threat) for threat in self._settings.threats]
        report = reduce(join_reports, reports)
        if report.not_run:
            case.warn(f"preflight: not run for lack of time: {', '.join(report.not_run)}; {MORE_TIME}")
        if findings := [finding for finding in report.doubts if finding.name not in report.accepted]:
            names = ",".join(dict.fromkeys(finding.name for finding in findings))
            hint = f"or accept what is meant to be so: --robust-accept={names}"
            fail("\n".join([*map(describe_finding, findings), hint]))

    def test_trust(self, case: Case, row: str, threat: str) -> None:
        """Test whether a row's figures may be believed. `row` is a suite, or "" for all attacks together."""
        allowed = self._settings.verdict
        assert allowed is not None
        self._preflight.refuse_futile(case)
        names = (row,) if row else self._settings.attacks
        deadline = self._begin(case, row, threat)
        elsewhere = [name for name in names if self._measurements.find(case, name, threat) is None]
        results = [self._measure(case, name, threat, deadline, len(names)) for name in names]
        has_time = partial(_has_time, deadline, _measure_pace(results))
        before = self._preflight.check(case)
        probe = replace(self._probe(case, row, threat, results, before.passes), deadline=deadline)
        left = _mark_left(self._answers.get_clean(case.module, case.samples).correct, results)
        report, mitigated = self._ranks.once(lambda: self._examine(case, probe, before, left, has_time))
        report = join_reports(report, self._check_threat(case, threat))
        report = _note_unfinished(report, results, elsewhere, is_suite=bool(row))
        part = RowPart(threat=str(self._data.read_threat(threat)), command="", suite=row)
        nearby = self._ranks.once(lambda: self._ask_nearby(case, part.threat))
        case.hand_over(replace(self._payloads.build(case, part), trust=report, attack=mitigated, nearby=nearby))
        case.note("verdict", report.verdict)
        if VERDICTS.index(report.verdict) > VERDICTS.index(allowed):
            lines = [describe_finding(finding) for finding in report.findings if finding.name not in report.accepted]
            fail("\n".join([f"{report.verdict}: the figures under {threat} cannot be believed", *lines]))

    def _begin(self, case: Case, row: str, threat: str) -> Deadline | None:
        """Return when the checks of a row have to end; None if they have all the time that they need."""
        if self._budget.unlimited:
            return None
        return Deadline(self._ranks.once(lambda: self._budget.take(part_of(case.item, threat, row, checks=True))))

    def _measure(self, case: Case, name: str, threat: str, deadline: Deadline | None, n: int) -> AttackResult:
        """Return what one of n attacks of the row found: on all samples if it ran in this process, else on load_few."""
        if (measurement := self._measurements.find(case, name, threat)) is not None:
            self._measurements.check(case, measurement.result, name, threat)
            return measurement.result.found
        few = replace(case, samples=load_few(case.samples))
        seconds = None if deadline is None else (1 - CHECKS) * deadline.left / n
        result = self._measurements.run(few, name, threat, seconds=seconds)
        self._measurements.check(few, result, name, threat)
        return result.found

    def _examine(
        self, case: Case, probe: AttackProbe, before: TrustReport, left: Flags, has_time: Callable[[float], bool]
    ) -> tuple[TrustReport, AttackPayload | None]:
        """Run the checks of a row, and an attack with mitigations if they, or those `before`, find something.

        What there is no time for is not run. One rank runs them, since a sample's answer may depend on its batch.
        """
        title = f"{case.variant.spec.name}, checks of the figures, {probe.budget}"
        with self._measurements.show_bar(title) as bar:
            found = examine(INDICATORS, probe, has_time=has_time, watch=lambda name, share: bar.show(name, share))
        report = join_reports(before, explain_by_training(found, self._models.get_recipe(case.variant)))
        # The queries of a black box may cost: it gets those that were chosen. A user's attacker may not move all.
        other = any(not isinstance(part, LpThreat) for part in probe.threat.parts)
        if not report.doubts or only_answers(case.module) or probe.fixed or other:
            return report, None
        if probe.deadline and probe.deadline():
            return replace(report, not_run=(*report.not_run, "mitigations")), None
        result, cost = self._mitigation.run(case, report, probe, left)
        report = replace(report, parts=(*report.parts, cost))
        if probe.deadline and probe.deadline.stopped:
            report = replace(report, not_run=(*report.not_run, "mitigations"))
        elif result is not None:
            report = settle(report, Tried.of(result.found))
        return report, None if result is None else self._payloads.build_attack(case, result)

    def _ask_nearby(self, case: Case, threat: str) -> tuple[tuple[float, ...], ...]:
        """Return the logits of the inputs of `draw_nearby`, after the attacks, for a fresh process to compare."""
        dataset = self._data.dataset
        x = draw_nearby(case.samples, threat, (dataset.lo, dataset.hi), case.seed)
        return tuple(map(tuple, ask_nearby(case.module, x, case.seed).tolist()))

    def _check_threat(self, case: Case, threat: str) -> TrustReport:
        """Run the checks of a threat model. No mitigation helps against what they find."""
        probe = ThreatProbe(self._data.read_threat(threat), case.samples)
        return examine(THREAT_CHECKS, probe, self._settings.accepted)

    def _probe(self, case: Case, row: str, threat: str, results: list[AttackResult], spent: int) -> AttackProbe:
        """Make the subject of a row's indicators; preflight has spent so many passes."""
        n, attacks = len(case.samples), self._list_attacks(case, row, threat)
        taken = sum((result.forwards + 2 * result.backwards) * n / len(result.adversarial) for result in results)
        few, rows = load_few(case.samples), draw_few_rows(case.samples)
        found = (result.adversarial for result in results)
        return AttackProbe(
            module=case.module,
            samples=few,
            correct=self._answers.get_clean(case.module, case.samples).correct[rows],
            adversarial=union(flags[rows] if len(flags) == n else flags for flags in found),
            threat=self._data.read_threat(threat),
            attacks=attacks,
            budget=PassBudget(count_affordable(attacks, taken, len(few)), spent),
            classes=self._data.classes,
            seed=case.seed,
            batcher=self._answers.get_batcher(case.module),
            fixed=count_fixed(attacks, results, case.samples),
            dataset=self._data.dataset,
            indices=case.samples.index,
            before=self._preflight.find_answers(case.module),
            load=self._models.load_surrogate,
            partial=any(result.partial for result in results),
        )

    def _list_attacks(self, case: Case, row: str, threat: str) -> tuple[str, ...]:
        """List the attacks of a row; of a suite those stages that are for the threat model, as they are run."""
        names = (row,) if row else self._settings.attacks
        attacks = [attack for name in names for attack in self._measurements.plan.list_attacks(case, name, threat)]
        return tuple(fit_classes(attack, self._data.classes, self._data.criterion) for attack in attacks)


def _mark_left(correct: Flags, results: list[AttackResult]) -> Flags:
    """Mark the samples that are correct and that no attack of the row broke, (n,); of attacks on a few all are left."""
    whole = [result.adversarial for result in results if len(result.adversarial) == len(correct)]
    return correct & ~union(whole) if whole else correct


def _note_unfinished(
    report: TrustReport, results: list[AttackResult], elsewhere: list[str], is_suite: bool
) -> TrustReport:
    """Add a finding for each attack that ran out of time, and one for all else that there was no time for.

    Attacks that another process has run for the row were run again here, for the checks.
    """
    stopped = [result for result in results if result.partial == TIME]
    again = [f"{result.attack} again for the checks" for result in stopped if result.attack in elsewhere]
    report = replace(report, not_run=(*again, *report.not_run))
    findings = [_describe_stop(result, is_suite) for result in stopped if result.attack not in elsewhere]
    if report.not_run:
        text = f"not run for lack of time: {', '.join(report.not_run)}"
        findings.append(Finding("not-run", "suspect", None, text, MORE_TIME))
    return replace(report, findings=(*report.findings, *findings))


def _describe_stop(result: AttackResult, is_suite: bool) -> Finding:
    """Return the finding on an attack or a suite that was stopped by the time."""
    if is_unattacked(result):
        end = "its first stage ended" if is_suite else "it ended"
        text = f"{result.attack} was stopped by the time before {end}: its samples were hardly attacked"
        return Finding("unattacked", "suspect", None, text, MORE_TIME)
    text = f"{result.attack} was stopped by the time after stage {len(result.stages)}; expected all its stages"
    return Finding("stopped", "suspect", None, text, MORE_TIME)


def _has_time(deadline: Deadline | None, pace: float, passes: float) -> bool:
    """Whether so many passes fit into the time that is left, at `pace` seconds a pass."""
    return deadline is None or deadline.has(passes * pace)


def _measure_pace(results: list[AttackResult]) -> float:
    """Return the seconds that one pass of a sample took in the row's attacks; a backward pass counts as two."""
    passes = sum(result.forwards + 2 * result.backwards for result in results)
    return sum(result.seconds for result in results) / passes if passes else 0.0


def describe_finding(finding: Finding) -> str:
    """Return a finding as one line."""
    return f"{finding.name}: {finding.message}; {finding.hint}"
