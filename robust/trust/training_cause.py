"""Causes of findings that lie in how a model was trained, as the card of its weights says."""

from dataclasses import replace

from robust.attacks.spec import Spec
from robust.records.trust import Finding, TrustReport

SINGLE_STEP = ("fgsm-at", "fgsm-rs", "n-fgsm", "free", "gradalign")  # recipes
# What catastrophic overfitting does to a gradient (Andriushchenko and Flammarion 2020, 2007.02617).
SIGNS = ("no-gradient", "zero-gradient", "shattered-gradient", "single-step-wins")


def explain_by_training(report: TrustReport, recipe: str) -> TrustReport:
    """Let findings on the gradient name catastrophic overfitting if a single-step recipe trained the model.

    `recipe` is the card's; "" if there is no card.
    """
    if not recipe or (name := Spec.parse(recipe).name.partition("+")[0]) not in SINGLE_STEP:
        return report
    return replace(report, findings=tuple(_explain(finding, name) for finding in report.findings))


def _explain(finding: Finding, recipe: str) -> Finding:
    if finding.name not in SIGNS or finding.grade == "trusted":
        return finding
    others = " or ".join(other for other in ("n-fgsm", "gradalign") if other != recipe)
    cause = f"its card says {recipe}, which trains by a single step: catastrophic overfitting is the likely cause"
    hint = f"{cause}; train with pgd-at, or longer with {others}, and measure with full-1, which also needs no gradient"
    return replace(finding, hint=hint)
