"""`make gauntlet`: a table of each defence's apparent accuracy, its findings, and its accuracy after mitigations."""

import sys
from collections.abc import Iterator

import torch
from torch import nn

from robust.evaluation.attack_run import RunOptions
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
    SOUND,
    SOUND_VARIANTS,
    THREAT,
    VARIANTS,
    Base,
    Defence,
    samples,
    train,
)

EVALUATION = ("fgsm", "pgd")  # a plain evaluation, which the defences fool
# An evaluation of sound models: plain PGD leaves 10 to 15 points too much of networks that were trained with it, so a
# finding there would be no false alarm.
SOUND_ATTACKS = ("pgd:loss=margin:steps=20:stride=1:last=0.01:targets=3", "pgd:loss=sice:steps=20:stride=1:last=0.01")


def find_robust(module: nn.Module, *attacks):
    """Mark the samples that are correct, and for which no attack finds an adversarial example, (n,) bool."""
    robust = measure_clean(module, samples()).correct
    for attack in attacks:
        robust = robust & ~measure_attack(module, samples(), robust, attack, THREAT).adversarial
    return robust


def measure_accuracy(module: nn.Module, *attacks) -> float:
    """Measure the robust accuracy, in percent."""
    return 100 * float(find_robust(module, *attacks).mean())


def measure_mitigated(module: nn.Module) -> float:
    """Measure the robust accuracy after a plain evaluation and the mitigations, in percent."""
    attack = choose_mitigations(module, torch.from_numpy(samples().x), THREAT)
    robust = find_robust(module, *EVALUATION)
    adversarial = run_mitigated(module, samples(), robust, attack, THREAT, RunOptions(Batcher(BATCH))).adversarial
    return 100 * float((robust & ~adversarial).mean())


def run_checks(module: nn.Module, *attacks: str):
    """Run the checks on the model, and on an evaluation of it with these attacks; returns the names of the findings."""
    correct = measure_clean(module, samples()).correct
    adversarial = correct & ~find_robust(module, *attacks)
    batcher = Batcher(BATCH)
    attack_probe = AttackProbe(module, samples(), correct, adversarial, THREAT, attacks, 10, 0, batcher)
    model_probe = ModelProbe(module, samples(), DIGITS, 0, batcher)
    report = join_reports(examine(PREFLIGHT, model_probe), examine(INDICATORS, attack_probe))
    return [finding.name for finding in report.findings]


def format_lines(cases: list[Defence], sound: dict[str, Base]) -> Iterator[str]:
    """Yield the lines of a gauntlet's table, and its two rates; for sound models with a sound evaluation."""
    flagged, alarms = 0, 0
    yield "| defence | base | clean | fgsm and pgd | undefended | mitigated | reasons |"
    yield "| :--- | :--- | ---: | ---: | ---: | ---: | :--- |"
    for case in cases:
        base = train(BASES[case.base])
        module = case.defend(base, samples()).eval()
        names = run_checks(module, *EVALUATION)
        flagged += bool(case.reasons & {*names})
        accuracies = (measure_accuracy(module), measure_accuracy(module, *EVALUATION))
        figures = (*accuracies, measure_mitigated(base), measure_mitigated(module))
        yield f"| {case.name} | {case.base} | {' | '.join(f'{k:.1f}' for k in figures)} | {', '.join(names)} |"
    for name, which in sound.items():
        module = train(which)
        names = run_checks(module, *SOUND_ATTACKS)
        alarms += bool(names)
        figures = [measure_accuracy(module, *attacks) for attacks in ((), EVALUATION, SOUND_ATTACKS)]
        yield f"| {name} | sound | {figures[0]:.1f} | {figures[1]:.1f} | | {figures[2]:.1f} | {', '.join(names)} |"
    yield f"flagged with the right reason: {flagged} of {len(cases)}; false alarms: {alarms} of {len(sound)}"


if __name__ == "__main__":
    for title, table in (
        ("Gauntlet", format_lines(GAUNTLET, SOUND)),
        ("Held out", format_lines(VARIANTS, SOUND_VARIANTS)),
    ):
        sys.stdout.write(f"{title}\n")
        for line in table:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
