"""A suite, quick-1 and AutoAttack on one network in one threat model: interleaved, judged by the same code, kept."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
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
from robust.evaluation.suite_cache import hash_code
from robust.evaluation.suite_run import narrow_threat

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Contest:
    """A comparison of a suite with the others, on test images or on those to choose by."""

    case: Case
    threat: LpThreat
    suite: str  # shipped, or a file of TOML
    seed: int  # of the images
    held_out: bool = False
    attack_seed: int = 0

    @property
    def path(self) -> Path:
        folder = "held-out" if self.held_out else "test"
        return RESULTS / (folder + f"-seed-{self.attack_seed}" * bool(self.attack_seed)) / f"{self.case.name}.json"

    @cached_property
    def on(self) -> Subject:
        return self.case.subject(self.case.n, self.seed, held_out=self.held_out)

    @property
    def kept(self) -> Run:
        """Return what was measured before, however long ago."""
        kept = read_runs(self.path).get(str(self.threat))
        return kept or Run(str(self.threat), self.on.n, len(self.on.x), {})

    @cached_property
    def inputs(self) -> dict[str, str]:
        """Return for each side a digest of what determines its outcome: network, weights, images and attack."""
        case, on = self.case, self.on
        seeds = f"{self.seed}" + f" {self.attack_seed}" * bool(self.attack_seed)
        subject = hashlib.sha256(f"{case.name} {case.arch} {on.n} {self.threat} {seeds}".encode())
        for part in (case.path.read_bytes(), on.x.numpy().tobytes(), on.y.numpy().tobytes()):
            subject.update(hashlib.sha256(part).digest())
        return {
            name: hashlib.sha256(subject.digest() + content.encode()).hexdigest()[:16]
            for name, content in self._contents().items()
        }

    def _contents(self) -> dict[str, str]:
        """Return what each side is made of, by its name.

        A suite is made of its stages that are for this threat model, and of the code that runs them.
        """
        contents = {}
        for suite in (read_suite(text, Path()) for text in (self.suite, QUICK)):
            stages = " ".join(str(stage) for stage in suite.stages if narrow_threat(self.threat, stage))
            contents[suite.name] = f"{stages} {hash_code(suite)}"
        return contents | {PEER: f"torchattacks {version('torchattacks')}, {torchattacks.REVISION}"}

    def outdated(self, names: Iterable[str] = ()) -> list[str]:
        """Return the sides that are to be measured, of those that are named; of all if none is.

        On test images all are as soon as one is, so that their times are of the same hour; on those to choose by, and
        by another seed, what is kept of the others will do.
        """
        wanted = [*names] or [*self.inputs]
        due = [name for name in self.kept.outdated(self.inputs) if name in wanted]
        return due if self.held_out or self.attack_seed or not due else wanted

    def run(self, *, again: bool = False, names: Iterable[str] = ()) -> Run:
        """Return the outcomes of all sides, or of those that are named, measured as far as they are not kept."""
        if due := [*self.inputs] if again else self.outdated(names):
            outcomes = self.kept.outcomes | self._measure(due)
            write_run(self.path, Run(str(self.threat), self.on.n, len(self.on.x), outcomes))
        return self.kept

    def confirm(self) -> list[str]:
        """Measure the sides that are of earlier code once, without their times; return those that differ.

        The others, which leave the same images after the same passes, are those of this code, and keep their times.
        """
        kept = self.kept.outcomes
        now = {name: self._measure_once(name) for name in self.kept.outdated(self.inputs) if name in kept}
        same = {name: outcome for name, outcome in now.items() if outcome.agrees(kept[name])}
        current = {name: replace(outcome, seconds=kept[name].seconds) for name, outcome in same.items()}
        write_run(self.path, replace(self.kept, outcomes=kept | current))
        return [name for name in now if name not in current]

    def _measure(self, names: Iterable[str]) -> dict[str, Outcome]:
        measured = defaultdict(list)
        for name in turns(names):
            measured[name].append(self._measure_once(name))
        return {name: mean_time(outcomes) for name, outcomes in measured.items()}

    def _measure_once(self, name: str) -> Outcome:
        on = self.on
        effort = spend(self._attacker(name), on, self.attack_seed)
        robust = ~adversarial(on.model, effort.x_adv, on.x, on.y, self.threat)
        left = tuple(robust.nonzero().flatten().tolist())
        return Outcome(left, effort.forwards, effort.backwards, effort.seconds, self.inputs[name])

    def _attacker(self, name: str) -> Attacker:
        if name != PEER:
            return suite_attacker(name if name == QUICK else self.suite, self.threat, self.attack_seed)
        with torch.no_grad():
            classes = self.on.model(self.on.x[:1]).shape[1]
        return torchattacks.auto_attack(self.threat, classes, self.attack_seed)


def turns(names: Iterable[str]) -> list[str]:
    """Return the order in which the sides are measured: AutoAttack once, and the others before and after it."""
    names = [*names]
    ours = [name for name in names if name != PEER]
    return [*ours, *(name for name in names if name == PEER), *reversed(ours)]
