"""`make gauntlet`: what each defence pretends, what the checks find, and what the mitigations leave; as a table."""

import sys
from collections.abc import Iterator

import torch
from torch import nn

from robust.evaluation.batching import Batcher
from robust.evaluation.measure import BATCH, measure_attack, measure_clean
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, PREFLIGHT, examine, join_reports
from robust.trust.mitigated_attack import choose_mitigations, run_mitigated
from robust.trust.model_probe import ModelProbe
from tests.trust.gauntlet import (
    BASES,
    DIGITS,
    GAUNTLET,
    HONEST,
    HONEST_VARIANTS,
    THREAT,
    VARIANTS,
    Base,
    Broken,
    samples,
    trained,
)

EVALUATION = ("fgsm", "pgd")  # the plain one, which the defences fool
# Of honest models: plain PGD leaves 10 to 15 points too many of networks trained with it, which is no false alarm.
SOUND = ("pgd:loss=margin:steps=20:stride=1:last=0.01:targets=3", "pgd:loss=sice:steps=20:stride=1:last=0.01")


def standing(module: nn.Module, *attacks):
    """(n,) bool: answered right, and broken by none of the attacks."""
    found = measure_clean(module, samples()).correct
    for attack in attacks:
        found = found & ~measure_attack(module, samples(), found, attack, THREAT).adversarial
    return found


def left(module: nn.Module, *attacks) -> float:
    """Robust accuracy, in percent."""
    return 100 * float(standing(module, *attacks).mean())


def mitigated(module: nn.Module) -> float:
    """What a plain evaluation and the mitigations leave, in percent."""
    search = choose_mitigations(module, torch.from_numpy(samples().x), THREAT)
    found = standing(module, *EVALUATION)
    adversarial = run_mitigated(module, samples(), found, search, THREAT, seed=0, feed=Batcher(BATCH)).adversarial
    return 100 * float((found & ~adversarial).mean())


def doubted(module: nn.Module, *attacks: str):
    """What the checks say of the model and of an evaluation of it with these attacks."""
    correct = measure_clean(module, samples()).correct
    trial = AttackProbe(
        module, samples(), correct, correct & ~standing(module, *attacks), THREAT, attacks, 10, 0, Batcher(BATCH)
    )
    look = ModelProbe(module, samples(), DIGITS, 0, Batcher(BATCH))
    return join_reports(examine(PREFLIGHT, look), examine(INDICATORS, trial))


def lines(cases: list[Broken], honest: dict[str, Base]) -> Iterator[str]:
    """The table of a gauntlet and its two rates, a line at a time; of honest models what a sound evaluation leaves."""
    flagged, alarms = 0, 0
    yield "| defence | base | clean | fgsm and pgd | twin | mitigated | reasons |"
    yield "| :--- | :--- | ---: | ---: | ---: | ---: | :--- |"
    for case in cases:
        base = trained(BASES[case.base])
        module = case.defend(base, samples()).eval()
        names = [doubt.name for doubt in doubted(module, *EVALUATION).doubts]
        flagged += bool(case.reasons & {*names})
        figures = (left(module), left(module, *EVALUATION), mitigated(base), mitigated(module))
        yield f"| {case.name} | {case.base} | {' | '.join(f'{k:.1f}' for k in figures)} | {', '.join(names)} |"
    for name, which in honest.items():
        module = trained(which)
        names = [doubt.name for doubt in doubted(module, *SOUND).doubts]
        alarms += bool(names)
        figures = (left(module), left(module, *EVALUATION), left(module, *SOUND))
        yield f"| {name} | honest | {figures[0]:.1f} | {figures[1]:.1f} | | {figures[2]:.1f} | {', '.join(names)} |"
    yield f"flagged with the right reason: {flagged} of {len(cases)}; false alarms: {alarms} of {len(honest)}"


if __name__ == "__main__":
    for title, table in (("Gauntlet", lines(GAUNTLET, HONEST)), ("Kept aside", lines(VARIANTS, HONEST_VARIANTS))):
        sys.stdout.write(f"{title}\n")
        for line in table:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
