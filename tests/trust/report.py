"""`make gauntlet`: a table of each defence's accuracy as it appears and as it is, and its findings."""

import sys
from collections import Counter
from collections.abc import Iterator

import torch
from torch import nn

from robust.attacks import LpThreat, Transfer, make
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import BATCH, measure_attack, measure_clean
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, PREFLIGHT, examine, join_reports
from robust.trust.mitigated_attack import choose_mitigations, run_mitigated
from robust.trust.model_probe import ModelProbe
from tests.trust.evaluations import EVALUATION_VARIANTS, EVALUATIONS, Evaluation, WeakEvaluation
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
from tests.trust.remembering_cases import RESTORED

EVALUATION = ("fgsm", "pgd")  # a plain evaluation, which the defences fool
# An evaluation of sound models: plain PGD leaves 10 to 15 points too much of networks that were trained with it, so a
# finding there would be no false alarm.
SOUND_ATTACKS = ("pgd:loss=margin:steps=20:stride=1:last=0.01:targets=3", "pgd:loss=sice:steps=20:stride=1:last=0.01")


# The attack of somebody who knows the defence: along the gradients of the case's `adaptive` module.
ADAPTIVE = (*(attack.replace(":targets=3", "") for attack in SOUND_ATTACKS), "apgd:loss=margin:steps=30")


def find_robust(module: nn.Module, *attacks, threat=THREAT):
    """Mark the samples that are correct, and for which no attack finds an adversarial example, (n,) bool."""
    robust = measure_clean(module, samples()).correct
    for attack in attacks:
        robust = robust & ~measure_attack(module, samples(), robust, attack, threat).adversarial
    return robust


def measure_accuracy(module: nn.Module, *attacks, threat=THREAT) -> float:
    """Measure the robust accuracy, in percent."""
    return 100 * float(find_robust(module, *attacks, threat=threat).mean())


def measure_mitigated(module: nn.Module, threat=THREAT) -> float:
    """Measure the robust accuracy after a plain evaluation and the mitigations, in percent."""
    attack = choose_mitigations(module, torch.from_numpy(samples().x), threat)
    robust = find_robust(module, *EVALUATION, threat=threat)
    adversarial = run_mitigated(module, samples(), robust, attack, threat, RunOptions(Batcher(BATCH))).adversarial
    return 100 * float((robust & ~adversarial).mean())


def measure_adaptive(case: Defence) -> float:
    """Measure the robust accuracy of what an attacker meets, against the adaptive attack, in percent."""
    base, threat = train(BASES[case.base]), LpThreat.parse(case.threat)
    adaptive = case.adaptive(base, samples()).eval()
    if case.true:
        return measure_accuracy(adaptive, *ADAPTIVE, threat=threat)
    attacks = [Transfer(make(attack), adaptive) for attack in ADAPTIVE]
    return measure_accuracy(case.defend(base, samples()).eval(), *attacks, threat=threat)


def run_checks(module: nn.Module, *attacks: str, threat=THREAT):
    """Run the checks on the model, and on an evaluation of it with these attacks; returns the names of the findings."""
    correct = measure_clean(module, samples()).correct
    adversarial = correct & ~find_robust(module, *attacks, threat=threat)
    batcher = Batcher(BATCH)
    attack_probe = AttackProbe(module, samples(), correct, adversarial, threat, attacks, 10, 0, batcher)
    model_probe = ModelProbe(module, samples(), DIGITS, 0, batcher)
    report = join_reports(examine(PREFLIGHT, model_probe), examine(INDICATORS, attack_probe))
    return [finding.name for finding in report.findings]


def format_lines(cases: list[Defence], sound: dict[str, Base]) -> Iterator[str]:
    """Yield the lines of a gauntlet's table, and its rates; for sound models with a sound evaluation."""
    flagged, alarms = Counter(), 0
    yield "| defence | kind | base | threat | clean | fgsm and pgd | adaptive | mitigated | reasons |"
    yield "| :--- | :--- | :--- | :--- | ---: | ---: | ---: | ---: | :--- |"
    for case in cases:
        base, threat = train(BASES[case.base]), LpThreat.parse(case.threat)

        def make_fresh(case=case, base=base) -> nn.Module:
            return case.defend(base, samples()).eval()  # anew, since some remember

        names = run_checks(make_fresh(), *EVALUATION, threat=threat)
        flagged[case.kind] += bool(case.reasons & {*names})
        accuracies = [measure_accuracy(make_fresh(), *attacks, threat=threat) for attacks in ((), EVALUATION)]
        figures = (*accuracies, measure_adaptive(case), measure_mitigated(make_fresh(), threat))
        columns = (case.name, case.kind, case.base, case.threat, *(f"{k:.1f}" for k in figures), ", ".join(names))
        yield f"| {' | '.join(columns)} |"
    for name, which in sound.items():
        module, threat = train(which), LpThreat.parse(which.threat)
        names = run_checks(module, *SOUND_ATTACKS, threat=threat)
        alarms += bool(names)
        figures = [measure_accuracy(module, *attacks, threat=threat) for attacks in ((), EVALUATION, SOUND_ATTACKS)]
        columns = (name, "sound", "", which.threat, *(f"{k:.1f}" for k in figures), "", ", ".join(names))
        yield f"| {' | '.join(columns)} |"
    for kind, n in Counter(case.kind for case in cases).items():
        yield f"{kind}: flagged with the right reason: {flagged[kind]} of {n}"
    yield f"flagged with the right reason: {flagged.total()} of {len(cases)}; false alarms: {alarms} of {len(sound)}"


def measure_evaluation(evaluation: Evaluation) -> float:
    """Measure the robust accuracy that an evaluation reports, in percent."""
    module, chosen, threat = evaluation.module, evaluation.samples, evaluation.threat
    robust = measure_clean(module, chosen).correct
    for attack in evaluation.attacks:
        robust = robust & ~measure_attack(module, chosen, robust, attack, threat).adversarial
    return 100 * float(robust.mean())


def format_evaluations(cases: list[WeakEvaluation]) -> Iterator[str]:
    """Yield the lines of a table of evaluations that prove little, each beside a fair one."""
    yield "| evaluation | samples | attacks | reports | a fair one |"
    yield "| :--- | ---: | :--- | ---: | ---: |"
    for case in cases:
        weak, fair = case.build()
        figures = " | ".join(f"{measure_evaluation(one):.1f}" for one in (weak, fair))
        yield f"| {case.name} | {len(weak.samples)} | {' '.join(weak.attacks)} | {figures} |"


if __name__ == "__main__":
    for title, table in (
        ("Gauntlet", format_lines(GAUNTLET, SOUND)),
        ("Held out", format_lines(VARIANTS, SOUND_VARIANTS)),
        ("State that is put back", format_lines(RESTORED, {})),
        ("Evaluations that prove little", format_evaluations(EVALUATIONS)),
        ("Held out", format_evaluations(EVALUATION_VARIANTS)),
    ):
        sys.stdout.write(f"{title}\n")
        for line in table:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
