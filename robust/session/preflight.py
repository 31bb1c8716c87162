"""Preflight: the checks of models before they are attacked, once for each; a hopeless model is not attacked."""

from torch import Tensor, nn

from robust.attacks.words import families_of
from robust.evaluation.time_limit import Deadline
from robust.records.trust import TrustReport
from robust.session.case import Case, fail
from robust.session.measurement import ShowBar
from robust.session.per_module import PerModule
from robust.session.resources import Resources
from robust.session.selection import preflight_of
from robust.settings.settings import Settings
from robust.trust.checks import PREFLIGHT, examine, find_futile, load_checks
from robust.trust.model_probe import ModelProbe, load_few
from robust.trust.training_cause import explain_by_training


class Preflight:
    """The checks of the models of one process. On several ranks all must ask in the same order."""

    def __init__(self, resources: Resources, show_bar: ShowBar) -> None:
        self._show_bar = show_bar
        self._settings = resources.settings
        self._ranks = resources.ranks
        self._data = resources.data
        self._models = resources.models
        self._answers = resources.answers
        self._budget = resources.budget
        self._reports: PerModule[TrustReport] = PerModule()
        self._before: PerModule[Tensor] = PerModule()

    def check(self, case: Case) -> TrustReport:
        """Run the checks of a model, once for each, on the first rank."""
        return self._reports.get(case.module, lambda: self._measure(case))

    def _measure(self, case: Case) -> TrustReport:
        # All ranks compute the clean answers, which tell how long a pass takes.
        pace = 0.0 if self._budget.unlimited else self._answers.get_clean(case.module, case.samples).pace
        return self._ranks.once(lambda: self._examine(case, pace))

    def find_answers(self, module: nn.Module) -> Tensor | None:
        """Return the logits of the samples of `load_few` as they were before any attack; None on all other ranks."""
        return self._before.find(module)

    def refuse_futile(self, case: Case) -> None:
        """Fail the test, before it attacks the model, if no figure could mean anything; without verdicts do nothing."""
        if self._settings.verdict is None:
            return
        if futile := find_futile(self.check(case)):
            first, names = futile[0], ",".join(finding.name for finding in futile)
            fail(
                f"not attacked, since no figure could mean anything: {first.name}: {first.message}; {first.hint}; "
                f"or attack it all the same: --robust-accept={names}"
            )

    def _examine(self, case: Case, pace: float) -> TrustReport:
        """Run the checks, at `pace` seconds a pass of a sample; one that there is no time for is not run."""
        batcher, budget = self._answers.get_batcher(case.module), self._budget
        load_checks(PREFLIGHT)
        deadline = None if budget.unlimited else Deadline(budget.take(preflight_of(case.item)))
        few, attacks = load_few(case.samples), _list_attacks(self._settings)
        probe = ModelProbe(case.module, few, self._data.dataset, case.seed, batcher, deadline, attacks)
        with self._show_bar(f"{case.variant.spec.name}, preflight") as bar:
            report = examine(
                PREFLIGHT,
                probe,
                self._settings.accepted,
                has_time=lambda passes: deadline is None or deadline.has(passes * pace),
                watch=bar.show,
            )
        if "logits" in vars(probe):
            self._before.get(case.module, lambda: probe.logits)
        return explain_by_training(report, self._models.get_recipe(case.variant))


def _list_attacks(settings: Settings) -> tuple[str, ...]:
    """List the attacks of the run, and the stages of its suites for its threat models."""
    families = families_of(settings.threats)
    stages = [stage for suite in settings.suites for stage in suite.stages if families.intersection(stage.threats)]
    return (*settings.attacks, *(stage.attack for stage in stages))
