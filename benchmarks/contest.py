"""A suite, quick-1 and AutoAttack on one network in one threat model: interleaved, judged by the same code, kept."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.duel import Attacker, adversarial, spend, suite_attacker
from benchmarks.outcomes import Outcome, Run, mean_time, read_runs, write_run
from benchmarks.peers import torchattacks
from benchmarks.standard_page import PEER, QUICK
from benchmarks.subjects import Case, Subject
from robust.attacks import LpThreat
from robust.attacks.suite import read_suite
from robust.evaluation.suite_run import narrow_threat

RESULTS = Path(__file__).parent / "results"
Sides = dict[str, tuple[Attacker, str]]  # by name: an attack, and what it is made of


def contest(case: Case, threat: LpThreat, suite: str, seed: int, *, held_out: bool, again: bool = False) -> Run:
    """Return the run of a network in a threat model, measured as far as it is not kept.

    On test images all sides are measured as soon as one is outdated, so that their times are of the same hour; on those
    to choose by, what is kept of the others will do.
    """
    path = RESULTS / ("held-out" if held_out else "test") / f"{case.name}.json"
    on = case.subject(case.n, seed, held_out=held_out)
    sides = _sides(on, threat, suite, seed)
    inputs = {name: digest(case, on, threat, seed, content) for name, (_, content) in sides.items()}
    kept = read_runs(path).get(str(threat)) or Run(str(threat), on.n, len(on.x), {})
    due = [*inputs] if again else kept.outdated(inputs)
    if due:
        due = due if held_out else [*inputs]
        measured = _measure(on, threat, {name: sides[name][0] for name in due}, inputs, seed)
        kept = Run(str(threat), on.n, len(on.x), kept.outcomes | measured)
        write_run(path, kept)
    return kept


def _sides(on: Subject, threat: LpThreat, suite: str, seed: int) -> Sides:
    sides: Sides = {}
    for text in (suite, QUICK):
        read = read_suite(text, Path())
        stages = [str(stage) for stage in read.stages if narrow_threat(threat, stage)]
        sides[read.name] = suite_attacker(text, threat, seed), " ".join(stages)
    with torch.no_grad():
        classes = on.model(on.x[:1]).shape[1]
    made_of = f"torchattacks {version('torchattacks')}, {torchattacks.REVISION}"
    return sides | {PEER: (torchattacks.auto_attack(threat, classes), made_of)}


def digest(case: Case, on: Subject, threat: LpThreat, seed: int, content: str) -> str:
    """Return the digest of what determines an outcome: the network, its weights, the images, and the attack."""
    made = hashlib.sha256(f"{case.name} {case.arch} {on.n} {threat} {seed} {content}".encode())
    for part in (case.path.read_bytes(), on.x.numpy().tobytes(), on.y.numpy().tobytes()):
        made.update(hashlib.sha256(part).digest())
    return made.hexdigest()[:16]


def turns(names: Iterable[str]) -> list[str]:
    """Return the order in which the sides are measured: AutoAttack once, and the others before and after it."""
    ours = [name for name in names if name != PEER]
    return [*ours, *([PEER] if PEER in names else []), *reversed(ours)]


def _measure(
    on: Subject, threat: LpThreat, sides: dict[str, Attacker], inputs: dict[str, str], seed: int
) -> dict[str, Outcome]:
    measured = defaultdict(list)
    for name in turns(sides):
        effort = spend(sides[name], on, seed)
        robust = ~adversarial(on.model, effort.x_adv, on.x, on.y, threat)
        left = tuple(robust.nonzero().flatten().tolist())
        measured[name].append(Outcome(left, effort.forwards, effort.backwards, effort.seconds, inputs[name]))
    return {name: mean_time(outcomes) for name, outcomes in measured.items()}
