"""The tests of trust: of a model before it is attacked, and of a row's figures afterwards."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from robust.device import device_of
from robust.evaluation.measure import AttackResult
from robust.evaluation.suite_run import cap_targets, is_unattacked, narrow_threat
from robust.flags import union
from robust.models.blackbox import is_black_box
from robust.records.record import MITIGATED
from robust.records.trust import VERDICTS, Finding, TrustReport, trust_to_json
from robust.session.case import FOUND, Case, Found, fail
from robust.session.measurement import Measurements
from robust.session.payload import clean_found, row_found
from robust.session.result import Result
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, PREFLIGHT, examine, join_reports
from robust.trust.mitigated_attack import MitigatedAttack, choose_mitigations, run_mitigated
from robust.trust.model_probe import ModelProbe, few_of, few_rows
from robust.user_code import describe_user_error


class TrustTest:
    """The checks of one process."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements
        self._resources = measurements.resources
        self._preflights: dict[int, tuple[nn.Module, TrustReport]] = {}

    def preflight(self, case: Case) -> None:
        """The test of a model before anything attacks it."""
        trust = self._resources.ranks.once(lambda: self._preflight(case))
        if wrong := [doubt for doubt in trust.doubts if doubt.name not in trust.accepted]:
            names = ",".join(doubt.name for doubt in wrong)
            fail("\n".join([*map(describe_trust, wrong), f"or accept what is meant to be so: --robust-accept={names}"]))

    def trust(self, case: Case, row: str, threat: str) -> None:
        """The test of a row's figures: may they be believed?"""
        allowed = self._resources.settings.verdict
        assert allowed is not None
        names = (row,) if row else self._resources.settings.attacks
        found = [self._measurements.reached(case, name, threat) for name in names]
        trial = self._trial(case, row, threat, found)
        trust, mitigated = self._resources.ranks.once(lambda: self._examined(case, trial, threat))
        trust = replace(trust, doubts=(*trust.doubts, *_unattacked(found)))
        own = {"threat": str(self._resources.threat(threat)), "origin": "", "trust": trust_to_json(trust), **mitigated}
        own |= {"suite": row} if row else {}
        case.item.stash[FOUND] = [clean_found(self._resources, case) | own]
        case.item.user_properties.append(("robust.verdict", trust.verdict))
        if VERDICTS.index(trust.verdict) > VERDICTS.index(allowed):
            lines = [describe_trust(doubt) for doubt in trust.doubts if doubt.name not in trust.accepted]
            fail("\n".join([f"{trust.verdict}: the figures under {threat} are not to be believed", *lines]))

    def _examined(self, case: Case, trial: AttackProbe, threat: str) -> tuple[TrustReport, Found]:
        """What the checks say of a row, and what was run beside it: by one rank, since a batch's company may matter."""
        trust = join_reports(self._preflight(case), examine(INDICATORS, trial))
        weak = all(doubt.weak for doubt in trust.doubts)
        return trust, self._mitigated(case, threat, weak) if trust.doubts else {}

    def _mitigated(self, case: Case, threat: str, weak: bool) -> Found:
        """Run an attack with the mitigations for this model, beside the row's attacks; {} where there is none.

        Where only the row's attacks are weak the search needs no mitigation, and is an ordinary one. Of a model that
        only answers no more is asked than the user chose: that may cost.
        """
        module, samples, allowed = case.module, case.samples, self._resources.threat(threat)
        if is_black_box(module):
            return {}
        correct, feed = self._resources.clean(module, samples).correct, self._resources.feed(module)
        few = torch.from_numpy(few_of(samples).x).to(device_of(module))
        try:
            with self._measurements.watched(f"{case.variant.spec.name}, mitigations", len(samples)):
                search = MitigatedAttack(module) if weak else choose_mitigations(module, few, allowed, case.seed)
                found = run_mitigated(module, samples, correct, search, allowed, seed=case.seed, feed=feed)
            found = self._measurements.rounded(case, found, allowed)
        except Exception as error:
            case.warn(f"no mitigation could be tried under {threat}: {describe_user_error(error)}")
            return {}
        found = replace(found, attack=MITIGATED, options={"mitigations": [*search.names]} | found.options)
        return row_found(self._resources, case, Result(str(allowed), correct, found))

    def _preflight(self, case: Case) -> TrustReport:
        """Of each model once."""
        key = id(case.module)
        if key not in self._preflights:
            few, feed = few_of(case.samples), self._resources.feed(case.module)
            look = ModelProbe(case.module, few, self._resources.dataset, case.seed, feed)
            trust = examine(PREFLIGHT, look, self._resources.settings.accepted)
            self._preflights[key] = (case.module, trust)  # the module stays, so that no other takes its id
        return self._preflights[key][1]

    def _trial(self, case: Case, row: str, threat: str, found: list[AttackResult]) -> AttackProbe:
        few = few_of(case.samples)
        return AttackProbe(
            module=case.module,
            samples=few,
            correct=self._resources.clean(case.module, case.samples).correct[few_rows(len(case.samples))],
            adversarial=union(each.adversarial[few_rows(len(each.adversarial))] for each in found),
            threat=self._resources.threat(threat),
            attacks=self._words(row, threat),
            classes=self._resources.classes,
            seed=case.seed,
            feed=self._resources.feed(case.module),
            load=self._resources.surrogate,
            partial=any(each.partial for each in found),
        )

    def _words(self, row: str, threat: str) -> tuple[str, ...]:
        """The attacks of the row; of a suite those of its stages that are for the threat model, as these are run."""
        settings, allowed = self._resources.settings, self._resources.threat(threat)
        stages = next((suite.stages for suite in settings.suites if suite.name == row), ())
        mine = (cap_targets(stage.attack, self._resources.classes) for stage in stages if narrow_threat(allowed, stage))
        return tuple(mine) if row else settings.attacks


def _unattacked(found: list[AttackResult]) -> Iterator[Finding]:
    """No check's, for it costs nothing to see, and no mitigation is one for it."""
    for each in filter(is_unattacked, found):
        told = f"{each.attack} was stopped by the time before its first stage ended: what stands was hardly attacked"
        yield Finding("unattacked", "suspect", None, told, "give it more time, with --robust-time")


def describe_trust(doubt: Finding) -> str:
    """One line."""
    return f"{doubt.name}: {doubt.told}; {doubt.hint}"
