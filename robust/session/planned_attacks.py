"""Planned attacks: what is run on each model under the name of an attack or of a suite."""

from functools import partial

from robust.attacks.engine import AnyAttack
from robust.attacks.factory import make
from robust.attacks.few_classes import describe_fit, fit_classes
from robust.attacks.suite import Suite
from robust.attacks.threats.threat import Threat
from robust.evaluation.suite_run import narrow_threat
from robust.models.blackbox import answers_labels, is_black_box
from robust.models.traits import is_queried
from robust.session.case import Case
from robust.session.queries import leave_queries, replace_attack, replace_default, replace_stages
from robust.session.resources import Resources


class AttackPlanner:
    """The attacks and suites of a run, as they fit each of its models."""

    def __init__(self, resources: Resources) -> None:
        self._settings = resources.settings
        self._data = resources.data
        self._models = resources.models

    def list_attacks(self, case: Case, name: str, threat: str) -> list[str]:
        """Return the attack that is run under that name; of a suite those stages that are for the threat model."""
        if any(suite.name == name for suite in self._settings.suites):
            suite, allowed = self.find_suite(case, name), self._data.read_threat(threat)
            return [stage.attack for stage in suite.stages if narrow_threat(allowed, stage)]
        settings = self._settings
        if is_queried(case.module):
            return [replace_attack(name, settings.attacks, threat)]
        if answers_labels(case.module) and not settings.named:
            return [replace_default(name, threat, settings.queries)]
        return [name]

    def describe_changes(self, case: Case, name: str, threat: str) -> str:
        """Return a note on what is run otherwise than an attack or a suite says; or ""."""
        run = self.list_attacks(case, name, threat)
        changed = is_queried(case.module) and run != [name]
        if answers_labels(case.module) and run != [name]:
            return f"{name} under {threat}: the model answers with labels alone, so it is run as {run[0]}"
        if changed or self._lacks_stages(case, name):
            return f"{name} under {threat}: no gradient reaches the inputs, so it is run as {' and '.join(run)}"
        fit = describe_fit(run, self._data.classes, self._data.criterion)
        return f"{name} under {threat}: {fit}" if fit else ""

    def list_whole(self, case: Case, attack: str | AnyAttack, allowed: Threat) -> list[tuple[AnyAttack, Threat]]:
        """List (attack, part of the threat model) of an attack, or of the stages of a suite that attack all samples."""
        if not isinstance(attack, str):
            return [(attack, allowed)]
        parts: list[tuple[str, Threat | None]] = [(attack, allowed)]
        if any(suite.name == attack for suite in self._settings.suites):
            stages = [
                stage for stage in self.find_suite(case, attack).stages if stage.hardest == 1 and not stage.follow
            ]
            parts = [(stage.attack, narrow_threat(allowed, stage)) for stage in stages]
        fit = partial(fit_classes, classes=self._data.classes, criterion=case.samples.criterion)
        return [(make(fit(each), self._models.load_surrogate), part) for each, part in parts if part is not None]

    def find_suite(self, case: Case, name: str) -> Suite:
        """Return a suite of the run, with the stages that this model can be attacked by."""
        suite = next(suite for suite in self._settings.suites if suite.name == name)
        suite = replace_stages(suite) if is_queried(case.module) else suite
        return leave_queries(suite) if is_black_box(case.module) else suite

    def _lacks_stages(self, case: Case, name: str) -> bool:
        """Whether stages of a suite are left out, since they follow a gradient and the model is a black box."""
        whole = next((suite for suite in self._settings.suites if suite.name == name), None)
        return whole is not None and is_black_box(case.module) and self.find_suite(case, name) != whole
