"""Preflight: the checks of models before they are attacked, once for each; a hopeless model is not attacked."""

from torch import Tensor, nn

from robust.records.trust import TrustReport
from robust.session.case import Case, fail
from robust.session.measurement import ShowBar
from robust.session.per_module import PerModule
from robust.session.resources import Resources
from robust.settings.settings import Settings
from robust.trust.checks import PREFLIGHT, examine, find_futile
from robust.trust.model_probe import ModelProbe, load_few


class Preflight:
    """The checks of the models of one process. On several ranks all must ask in the same order."""

    def __init__(self, resources: Resources, show_bar: ShowBar) -> None:
        self._show_bar = show_bar
        self._settings = resources.settings
        self._ranks = resources.ranks
        self._data = resources.data
        self._answers = resources.answers
        self._reports: PerModule[TrustReport] = PerModule()
        self._before: PerModule[Tensor] = PerModule()

    def check(self, case: Case) -> TrustReport:
        """Run the checks of a model, once for each, on the first rank."""
        return self._reports.get(case.module, lambda: self._ranks.once(lambda: self._examine(case)))

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

    def _examine(self, case: Case) -> TrustReport:
        batcher = self._answers.get_batcher(case.module)
        few, attacks = load_few(case.samples), _list_attacks(self._settings)
        probe = ModelProbe(case.module, few, self._data.dataset, case.seed, batcher, attacks)
        with self._show_bar(f"{case.variant.spec.name}, preflight") as bar:
            self._before.get(case.module, lambda: probe.clean.logits)
            return examine(PREFLIGHT, probe, self._settings.accepted, watch=lambda name, share: bar.show(name, share))


def _list_attacks(settings: Settings) -> tuple[str, ...]:
    """List the attacks of the run, and the stages of its suites for the norms of its threat models."""
    norms = {part.partition(":")[0] for threat in settings.threats for part in threat.split("+")}
    stages = [stage for suite in settings.suites for stage in suite.stages if norms.intersection(stage.norms)]
    return (*settings.attacks, *(stage.attack for stage in stages))
