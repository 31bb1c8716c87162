"""The words that users are told of a model: its checks, the settlement of its doubts and the verdict."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from time import monotonic
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from robust.attacks.threats.threat import Threat
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import BATCH, measure_attack, measure_clean
from robust.flags import Flags, union
from robust.models.format import Terms
from robust.models.load import make_subject
from robust.records.trust import TrustReport
from robust.session.mitigation import Mitigation
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, PREFLIGHT, THREAT_CHECKS, examine, join_reports
from robust.trust.model_probe import ModelProbe
from robust.trust.pass_budget import PassBudget
from robust.trust.pass_share import count_affordable
from robust.trust.settle import Tried, settle
from robust.trust.threat_probe import ThreatProbe
from tests.trust.cases import DIGITS, samples

SILENT = SimpleNamespace(show=lambda *shown: None)  # a progress bar
PASSES = 3  # of a batch whose gradient is asked for: a backward pass counts as two


@dataclass(frozen=True)
class Told:
    """The figures and findings of a row, and the cost of its checks and mitigations."""

    clean: float  # percent, as are the next two
    plain: float  # that the row's attacks leave
    mitigated: float  # that is left after the mitigations, too
    report: TrustReport  # after settlement
    passes: int  # of samples through the model, but for those of forks
    seconds: float

    @property
    def verdict(self) -> str:
        """The verdict, with the star of a row that has notes."""
        return self.report.verdict + "*" * self.report.noted

    @property
    def stayed(self) -> set[str]:
        """The names of the doubts that stay after settlement."""
        return {finding.name for finding in self.report.doubts}

    def __str__(self) -> str:
        """Return the reasons: notes in brackets, those that were doubts and are dismissed with that word."""
        notes = (finding for finding in self.report.findings if finding.grade == "trusted")
        dismissed = [f"({f.name}{' dismissed' * f.hint.startswith('dismissed')})" for f in notes]
        return ", ".join([*dict.fromkeys(f.name for f in self.report.doubts), *dismissed])


@dataclass
class Counter:
    """The passes of one model and its copies."""

    passes: int = field(default=0)


@contextmanager
def counted(module: nn.Module) -> Iterator[Counter]:
    """Count the passes of a module, and of its copies, in a block."""
    counter, module.is_counted = Counter(), True

    def count(called: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if getattr(called, "is_counted", False):
            gradient = torch.is_grad_enabled() and inputs[0].requires_grad
            counter.passes += len(inputs[0]) * (PASSES if gradient else 1)

    hook = nn.modules.module.register_module_forward_pre_hook(count)
    try:
        yield counter
    finally:
        hook.remove()


def load_at_door(module: nn.Module) -> nn.Module:
    """Return a module as the plugin loads a user's, which reads probabilities and their logarithms as such."""
    terms = Terms(shape=DIGITS.shape, classes=DIGITS.classes, inputs=torch.from_numpy(samples().x[:16]))
    return make_subject("honest", module, terms).module.eval()


def tell(module: nn.Module, *attacks: str, threat: Threat) -> Told:
    """Evaluate a model with these attacks as a run does: preflight, attacks, indicators, mitigations."""
    with counted(module) as counter:
        began, batcher = monotonic(), Batcher(BATCH)
        model_probe = ModelProbe(module, samples(), DIGITS, 0, batcher, attacks=attacks)
        report = examine(PREFLIGHT, model_probe)
        checks, seconds = counter.passes, monotonic() - began
        correct = measure_clean(module, samples()).correct
        results = [measure_attack(module, samples(), correct, attack, threat) for attack in attacks]
        found = union(result.adversarial for result in results)
        began, suite = monotonic(), counter.passes - checks
        probe = AttackProbe(module, samples(), correct, found, threat, attacks, DIGITS.classes, 0, batcher)
        budget = PassBudget(count_affordable(attacks, suite, len(samples())), checks)
        probe = replace(probe, dataset=DIGITS, before=model_probe.logits, budget=budget)
        report = join_reports(report, examine(INDICATORS, probe))
        report = join_reports(report, examine(THREAT_CHECKS, ThreatProbe(threat, samples())))
        report, more = mitigate(probe, report)
        seconds += monotonic() - began
    figures = (100 * float(flags.mean()) for flags in (correct, probe.robust, probe.robust & ~more))
    return Told(*figures, report, counter.passes - suite, seconds)


def mitigate(probe: AttackProbe, report: TrustReport) -> tuple[TrustReport, Flags]:
    """Settle the doubts by the session's attack with mitigations; return the report, and mark the samples it breaks."""
    if not report.doubts:
        return report, np.zeros_like(probe.correct)
    resources: Any = SimpleNamespace(
        answers=SimpleNamespace(
            get_batcher=lambda module: probe.batcher, get_clean=lambda module, chosen: measure_clean(module, chosen)
        )
    )
    measurements: Any = SimpleNamespace(show_bar=lambda title: nullcontext(SILENT), round=lambda case, found, _: found)
    spec = SimpleNamespace(name="a model")
    case: Any = SimpleNamespace(
        module=probe.module, samples=probe.samples, seed=probe.seed, variant=SimpleNamespace(spec=spec), warn=_fail
    )
    result, _ = Mitigation(resources, measurements).run(case, report, probe, probe.robust)
    assert result is not None
    return settle(report, Tried.of(result.found)), result.found.adversarial


def _fail(warning: str) -> None:
    raise AssertionError(warning)
