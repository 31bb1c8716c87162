"""`make gauntlet`: a table of what a user is told of each defence and each honest model, beside what is true.

Words behind the command are patterns of names: the table is then of these alone.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import TypeVar

from torch import nn

from robust.attacks import LpThreat, Transfer, make
from robust.evaluation.measure import measure_attack, measure_clean
from tests.trust.evaluations import EVALUATION_VARIANTS, EVALUATIONS, Evaluation, WeakEvaluation
from tests.trust.gauntlet import (
    BASES,
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
from tests.trust.telling import Told, load_at_door, tell

Case = TypeVar("Case")

EVALUATION = ("fgsm", "pgd")  # a plain evaluation, which the defences fool
# An evaluation of sound models: plain PGD leaves 10 to 15 points too much of networks that were trained with it, so a
# finding there would be no false alarm.
SOUND_ATTACKS = ("pgd:loss=margin:steps=20:stride=1:last=0.01:targets=3", "pgd:loss=sice:steps=20:stride=1:last=0.01")
# The attack of somebody who knows the defence: along the gradients of the case's `adaptive` module.
ADAPTIVE = (*(attack.replace(":targets=3", "") for attack in SOUND_ATTACKS), "apgd:loss=margin:steps=30")
WITHIN = 2.0  # points above the adaptive attack's figure, for a figure that may be believed
COLUMNS = ("defence", "kind", "threat", "clean", "plain", "adaptive", "mitigated", "verdict", "reasons")
COSTS = ("passes", "seconds")  # of the checks and mitigations
SUMMARY = (
    "kind",
    "right reason",
    "not trusted",
    f"within {WITHIN:g} points of adaptive",
    "figure right or not trusted",
)


def measure_accuracy(module: nn.Module, *attacks, threat=THREAT) -> float:
    """Measure the accuracy that is left, in percent, when each attack was run on what the ones before left."""
    robust = measure_clean(module, samples()).correct
    for attack in attacks:
        robust = robust & ~measure_attack(module, samples(), robust, attack, threat).adversarial
    return 100 * float(robust.mean())


def measure_adaptive(case: Defence) -> float:
    """Measure the robust accuracy of what an attacker meets, against the adaptive attack, in percent."""
    base, threat = train(BASES[case.base]), LpThreat.parse(case.threat)
    adaptive = case.adaptive(base, samples()).eval()
    if case.true:
        return measure_accuracy(adaptive, *ADAPTIVE, threat=threat)
    attacks = [Transfer(make(attack), adaptive) for attack in ADAPTIVE]
    return measure_accuracy(defend(case), *attacks, threat=threat)


def defend(case: Defence) -> nn.Module:
    """Make the defence anew, since some remember."""
    return case.defend(train(BASES[case.base]), samples()).eval()


def tell_defence(case: Defence) -> Told:
    """Return what a user is told of a defence by a plain evaluation."""
    return tell(defend(case), *EVALUATION, threat=LpThreat.parse(case.threat))


def tell_sound(which: Base) -> Told:
    """Return what a user is told of an honest model, which comes through the door, by a sound evaluation."""
    return tell(load_at_door(train(which)), *SOUND_ATTACKS, threat=LpThreat.parse(which.threat))


def format_row(*cells: object) -> str:
    """Return a line of a table; numbers have one decimal place."""
    return f"| {' | '.join(f'{cell:.1f}' if isinstance(cell, float) else str(cell) for cell in cells)} |"


def format_told(name: str, kind: str, threat: str, told: Told, adaptive: float | str) -> str:
    """Return the line of a model."""
    figures = (told.clean, told.plain, adaptive, told.mitigated)
    return format_row(name, kind, threat, *figures, told.verdict, told, told.passes, told.seconds)


def format_lines(cases: list[Defence], sound: dict[str, Base]) -> Iterator[str]:
    """Yield the lines of a half's table, and of its summary."""
    yield format_row(*COLUMNS, *COSTS)
    yield format_row(*[":---"] * 3, *["---:"] * 4, *[":---"] * 2, *["---:"] * 2)
    counts: dict[str, Counter[str]] = {}
    for case in cases:
        told, adaptive = tell_defence(case), measure_adaptive(case)
        yield format_told(case.name, case.kind, case.threat, told, adaptive)
        counts.setdefault(case.kind, Counter()).update(count(case, told, adaptive))
    alarms = 0
    for name, which in sound.items():
        told = tell_sound(which)
        alarms += bool(told.stayed)
        yield format_told(name, "honest", which.threat, told, "")
    yield ""
    yield from format_summary(counts)
    yield ""
    yield f"false alarms: {alarms} of {len(sound)}"


def count(case: Defence, told: Told, adaptive: float) -> Counter[str]:
    """Count a defence in each column of the summary that it belongs to."""
    within, doubted = told.mitigated <= adaptive + WITHIN, told.report.verdict != "trusted"
    found = map(int, (bool(case.reasons & told.stayed), doubted, within, within or doubted))
    return Counter({"n": 1} | dict(zip(SUMMARY[1:], found, strict=True)))


def format_summary(counts: dict[str, "Counter[str]"]) -> Iterator[str]:
    """Yield the lines of a table of counts by kind, and of all kinds together."""
    yield format_row(*SUMMARY)
    yield format_row(":---", *["---:"] * (len(SUMMARY) - 1))
    for kind, of_kind in {**counts, "all": sum(counts.values(), Counter())}.items():
        yield format_row(kind, *(f"{of_kind[column]} of {of_kind['n']}" for column in SUMMARY[1:]))


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


def choose(cases: list[Case], patterns: list[str]) -> list[Case]:
    """Return the cases whose names match one of the patterns; all, if there is none."""
    return [case for case in cases if not patterns or any(fnmatch(str(case), pattern) for pattern in patterns)]


def main(patterns: list[str]) -> None:
    """Write the tables."""
    for title, cases, sound in (
        ("Gauntlet", GAUNTLET, SOUND),
        ("Held out", VARIANTS, SOUND_VARIANTS),
        ("State that is put back", RESTORED, {}),
    ):
        chosen = choose(cases, patterns), {name: sound[name] for name in choose([*sound], patterns)}
        if any(chosen):
            _write(title, format_lines(*chosen))
    for title, evaluations in (("Evaluations that prove little", EVALUATIONS), ("Held out", EVALUATION_VARIANTS)):
        if few := choose(evaluations, patterns):
            _write(title, format_evaluations(few))


def _write(title: str, table: Iterator[str]) -> None:
    sys.stdout.write(f"\n{title}\n\n")
    for line in table:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
