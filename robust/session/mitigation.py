"""Mitigation: an attack with mitigations for a row that is in doubt."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from robust.device import device_of
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.measure import AttackResult, options_of
from robust.flags import Flags
from robust.records.added import MITIGATED
from robust.records.trust import Part, TrustReport
from robust.session.case import Case
from robust.session.measurement import Measurements
from robust.session.resources import Resources
from robust.session.result import Result
from robust.trust.attack_probe import AttackProbe
from robust.trust.first_look import FirstLook, Hunt, attack_hardest_first
from robust.trust.hardest import MIN_HINTS
from robust.trust.mitigated_attack import MAX_SAMPLES, MitigatedAttack, choose_mitigations, run_mitigated
from robust.trust.model_probe import draw_few_rows
from robust.trust.settle import is_outdone, needs_all
from robust.user_code import describe_user_error

CHOICE = 60  # passes of a sample with which the mitigations are chosen
MIN_CHOICE = 8  # samples


class Mitigation:
    """The attacks with mitigations of one process."""

    def __init__(self, resources: Resources, measurements: Measurements) -> None:
        self._answers = resources.answers
        self._measurements = measurements

    def run(self, case: Case, report: TrustReport, probe: AttackProbe, left: Flags) -> tuple[Result | None, Part]:
        """Run an attack with the mitigations for this model, beside the row's attacks; None if there is none.

        Return what it cost, too.

        It is tried on the hardest of the samples that are `left`, as many as the budget of the probe allows, and on all
        others if some of these fall. If only the row's attacks are weak, the attack is an ordinary one, along the best
        gradient that the model has.
        """
        began, spent = time.monotonic(), probe.budget.spent
        probe.budget.release()
        result = self._try(case, report, probe, left)
        return result, Part("mitigations", time.monotonic() - began, int(probe.budget.spent - spent))

    def _try(self, case: Case, report: TrustReport, probe: AttackProbe, left: Flags) -> Result | None:
        module, allowed = case.module, probe.threat
        try:
            with self._measurements.show_bar(f"{case.variant.spec.name}, mitigations") as bar:
                bar.show("choosing them", 0.0)
                attack = self._choose(probe, _is_weak(report))
                watch = partial(bar.show, ", ".join(attack.names) or "ordinary attacks")
                found, tried = self._attack(case, probe, attack, left, watch, report)
            found = self._measurements.round(case, found, allowed)
        except Exception as error:
            case.warn(f"no mitigation could be tried under {allowed}: {describe_user_error(error)}")
            return None
        # What it has found holds; the row is partial only where its own attacks were stopped.
        shown = {"mitigations": [*attack.names], "samples": tried} | options_of(attack.build(module))
        found = replace(found, attack=MITIGATED, partial="", options=shown, queries=None, asked=0)
        return Result(str(allowed), self._answers.get_clean(module, case.samples).correct, found)

    def _choose(self, probe: AttackProbe, weak: bool) -> MitigatedAttack:
        n = max(MIN_CHOICE, int(min(MAX_SAMPLES, probe.budget.left / CHOICE)))
        few = torch.from_numpy(probe.samples.x[:n]).to(device_of(probe.module))
        probe.budget.add(CHOICE * len(few))
        y = torch.from_numpy(probe.samples.y[:n]).to(few.device)
        attack = choose_mitigations(probe.module, few, probe.threat, probe.seed, probe.criterion, y)
        return attack.plain() if weak else attack

    def _attack(
        self,
        case: Case,
        probe: AttackProbe,
        attack: MitigatedAttack,
        left: Flags,
        watch: Callable[[float], None],
        report: TrustReport,
    ) -> tuple[AttackResult, int]:
        """Run the attack on a few of the samples that are `left`, and on others as `attack_hardest_first` says."""
        module, samples = case.module, case.samples
        options = RunOptions(self._answers.get_batcher(module), case.seed, deadline=probe.deadline, watch=watch)

        def run(mask: Flags, stages: MitigatedAttack) -> AttackResult:
            found = run_mitigated(module, samples, mask, stages, probe.threat, options)
            probe.budget.add(found.forwards + 2 * found.backwards)
            return found

        rows = draw_few_rows(samples)

        def pick(mask: Flags, n: int) -> Flags:
            flags = np.zeros_like(mask)
            flags[rows[probe.pick_hardest(mask[rows], n)]] = True
            return flags

        look = FirstLook.plan(attack, module, probe.budget, int(left[rows].sum()))
        hunt = Hunt(run, pick, look, left, np.zeros_like(left), hints=1 if is_outdone(report) else MIN_HINTS)
        return attack_hardest_first(hunt, whole=needs_all(report) or is_outdone(report) or _is_weak(report))


def _is_weak(report: TrustReport) -> bool:
    """Whether only the row's attacks are in doubt."""
    return all(finding.weak for finding in report.doubts)
