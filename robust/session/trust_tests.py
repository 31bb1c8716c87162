"""The tests of trust: of a model before it is attacked, and of a row's figures afterwards."""

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce

import torch

from robust.attacks.few_classes import fit_classes
from robust.device import device_of
from robust.evaluation.measure import AttackResult
from robust.evaluation.suite_run import is_unattacked
from robust.flags import union
from robust.models.traits import only_answers
from robust.records.record import MITIGATED
from robust.records.trust import VERDICTS, Finding, TrustReport
from robust.session.case import Case, fail
from robust.session.measurement import Measurements
from robust.session.payload import AttackPayload, RowPart
from robust.session.payload_builder import PayloadBuilder
from robust.session.preflight import Preflight
from robust.session.resources import Resources
from robust.session.result import Result
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, THREAT_CHECKS, examine, join_reports
from robust.trust.mitigated_attack import MitigatedAttack, choose_mitigations, run_mitigated
from robust.trust.model_probe import draw_few_rows, load_few
from robust.trust.threat_probe import ThreatProbe
from robust.user_code import describe_user_error


class TrustTest:
    """The tests of one process."""

    def __init__(self, resources: Resources, measurements: Measurements, preflight: Preflight) -> None:
        self._settings = resources.settings
        self._ranks = resources.ranks
        self._data = resources.data
        self._models = resources.models
        self._answers = resources.answers
        self._measurements = measurements
        self._payloads = PayloadBuilder(resources)
        self._preflight = preflight

    def test_preflight(self, case: Case) -> None:
        """Test a model, and the threat models, before anything attacks it."""
        reports = [self._preflight.check(case)]
        reports += [self._check_threat(case, threat) for threat in self._settings.threats]
        report = reduce(join_reports, reports)
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
        results = [self._measure(case, name, threat) for name in names]
        probe = self._probe(case, row, threat, results)
        before = self._preflight.check(case)
        report, mitigated = self._ranks.once(lambda: self._examine(case, probe, before, threat))
        report = join_reports(report, self._check_threat(case, threat))
        report = replace(report, findings=(*report.findings, *_find_unattacked(results)))
        part = RowPart(threat=str(self._data.read_threat(threat)), command="", suite=row)
        case.hand_over(replace(self._payloads.build(case, part), trust=report, attack=mitigated))
        case.note("verdict", report.verdict)
        if VERDICTS.index(report.verdict) > VERDICTS.index(allowed):
            lines = [describe_finding(finding) for finding in report.findings if finding.name not in report.accepted]
            fail("\n".join([f"{report.verdict}: the figures under {threat} cannot be believed", *lines]))

    def _measure(self, case: Case, name: str, threat: str) -> AttackResult:
        """Return what an attack of the row found: on all samples if it ran in this process, else on load_few them."""
        if (measurement := self._measurements.find(case, name, threat)) is not None:
            return measurement.result.found
        few = replace(case, samples=load_few(case.samples))
        result = self._measurements.run(few, name, threat)
        self._measurements.check(few, result, name, threat)
        return result.found

    def _examine(
        self, case: Case, probe: AttackProbe, before: TrustReport, threat: str
    ) -> tuple[TrustReport, AttackPayload | None]:
        """Run the checks of a row, and an attack with mitigations if they, or those `before`, find something.

        One rank runs them, since a sample's answer may depend on its batch.
        """
        report = join_reports(before, examine(INDICATORS, probe))
        weak = all(finding.weak for finding in report.doubts)
        return report, self._mitigate(case, threat, weak) if report.doubts else None

    def _mitigate(self, case: Case, threat: str, weak: bool) -> AttackPayload | None:
        """Run an attack with the mitigations for this model, beside the row's attacks; None if there is none.

        If only the row's attacks are `weak`, the attack needs no mitigation, and is an ordinary one. A model that only
        answers gets no queries but those that the user chose: they may cost.
        """
        module, samples, allowed = case.module, case.samples, self._data.read_threat(threat)
        if only_answers(module):
            return None
        correct, batcher = self._answers.get_clean(module, samples).correct, self._answers.get_batcher(module)
        few = torch.from_numpy(load_few(samples).x).to(device_of(module))
        try:
            with self._measurements.watched(f"{case.variant.spec.name}, mitigations", len(samples)):
                attack = MitigatedAttack(module) if weak else choose_mitigations(module, few, allowed, case.seed)
                found = run_mitigated(module, samples, correct, attack, allowed, seed=case.seed, batcher=batcher)
            found = self._measurements.round(case, found, allowed)
        except Exception as error:
            case.warn(f"no mitigation could be tried under {threat}: {describe_user_error(error)}")
            return None
        found = replace(found, attack=MITIGATED, options={"mitigations": [*attack.names]} | found.options)
        return self._payloads.build_attack(case, Result(str(allowed), correct, found))

    def _check_threat(self, case: Case, threat: str) -> TrustReport:
        """Run the checks of a threat model. No mitigation helps against what they find."""
        probe = ThreatProbe(self._data.read_threat(threat), case.samples)
        return examine(THREAT_CHECKS, probe, self._settings.accepted)

    def _probe(self, case: Case, row: str, threat: str, results: list[AttackResult]) -> AttackProbe:
        n = len(case.samples)
        return AttackProbe(
            module=case.module,
            samples=load_few(case.samples),
            correct=self._answers.get_clean(case.module, case.samples).correct[draw_few_rows(n)],
            adversarial=union(result.adversarial[draw_few_rows(len(result.adversarial))] for result in results),
            threat=self._data.read_threat(threat),
            attacks=self._list_attacks(case, row, threat),
            classes=self._data.classes,
            seed=case.seed,
            batcher=self._answers.get_batcher(case.module),
            load=self._models.load_surrogate,
            partial=any(result.partial for result in results),
        )

    def _list_attacks(self, case: Case, row: str, threat: str) -> tuple[str, ...]:
        """List the attacks of a row; of a suite those stages that are for the threat model, as they are run."""
        names = (row,) if row else self._settings.attacks
        attacks = [attack for name in names for attack in self._measurements.list_attacks(case, name, threat)]
        return tuple(fit_classes(attack, self._data.classes) for attack in attacks)


def _find_unattacked(results: list[AttackResult]) -> Iterator[Finding]:
    """Yield a finding for each suite that ran out of time in its first stage. No check: it costs nothing to see."""
    for result in filter(is_unattacked, results):
        text = f"{result.attack} was stopped by the time before its first stage ended: its samples were hardly attacked"
        yield Finding("unattacked", "suspect", None, text, "give it more time, with --robust-time")


def describe_finding(finding: Finding) -> str:
    """Return a finding as one line."""
    return f"{finding.name}: {finding.message}; {finding.hint}"
