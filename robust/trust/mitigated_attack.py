"""An attack along the gradients of a mitigated model, whose success is judged on the model itself."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.combine.bestof import BestOf
from robust.attacks.combine.eot import EOT
from robust.attacks.combine.targets import Targets
from robust.attacks.combine.transfer import Transfer, TransferState
from robust.attacks.combine.worst_of_draws import WorstOfDraws
from robust.attacks.engine import AnyAttack, Attack, eval_mode
from robust.attacks.registry import Registry
from robust.attacks.rng import Rng
from robust.attacks.task import Task
from robust.attacks.threats.threat import Threat
from robust.attacks.zoo.pgd import PGD
from robust.attacks.zoo.square import Square
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.measure import AttackResult, measure_attack
from robust.flags import Flags
from robust.trust.attack_probe import MIN_HINTS
from robust.trust.sloped import Sloped

MAX_SAMPLES = 16  # on which the mitigations are chosen: enough to see whether a gradient passes
STEPS = 20
AIMED_STEPS, MAX_TARGETS = 8, 9  # steps to each class, of so many at most, to see whether that finds more
BLUR_DRAWS = 10  # random inputs over which a blurred gradient is averaged
BLUR_STREAM = 0xB1  # number of its stream of random numbers
# For a random model: losses, and the number of draws that must all be wrong. The last stage accepts a single one, since
# few samples are left for it, and luck decides about them.
RANDOM_STAGES = (("ce", 10), ("margin", 10), ("ce", 1))


@dataclass(frozen=True)
class MitigatedAttack:
    """The description of an attack that mitigations have changed."""

    model: nn.Module  # in evaluation mode: the model itself, or one with the same answers and other gradients
    names: tuple[str, ...] = ()  # of the mitigations that were applied
    draws: int = 1  # over which a gradient is averaged
    blur: float = 0.0  # a share of the threat model: gradients are averaged over a neighbourhood of this size, too
    slopes: bool = False  # they are measured, since no gradient leads anywhere
    targets: int = 0  # classes that it aims at, one after the other
    queries: int = 0  # of an attack without gradients

    def plain(self) -> "MitigatedAttack":
        """Return the attack without what is slow: only the gradient stays that of the mitigated model."""
        names = tuple(name for name in self.names if name not in ("blur", "queries"))
        return replace(self, names=names, blur=0.0, queries=0, slopes=False)

    def build(self, module: nn.Module) -> AnyAttack:
        """Make the attack on `module`: several stages, each on the samples that are still robust."""
        if self.draws > 1:
            stages = ((Transfer(_make_pgd(loss), self.model), draws) for loss, draws in RANDOM_STAGES)
            return BestOf(tuple(EOT(WorstOfDraws(attack, draws), self.draws) for attack, draws in stages))
        attacks: list[AnyAttack] = [self._follow(_make_pgd(loss), module) for loss in ("margin", "sice")]
        if self.targets:
            attacks.append(Targets(self._follow(_make_pgd("margin"), module), self.targets))
        if self.blur:
            attacks.append(Blur(EOT(_make_pgd("margin"), BLUR_DRAWS), self.model, self.blur))
        if self.slopes:
            attacks.append(Sloped(PGD(2 * STEPS, stride=1.0, loss="margin", last=0.01), self.model))
        if self.queries:
            attacks.append(Square(self.queries))
        return BestOf(tuple(attacks))

    def _follow(self, attack: PGD, module: nn.Module) -> Attack[Any]:
        """Run an attack along the gradients of `model`; on the module itself its answers need not be asked again."""
        return attack if self.model is module else Transfer(attack, self.model)


def run_mitigated(
    module: nn.Module,
    samples: Samples,
    correct: Flags,
    attack: MitigatedAttack,
    threat: Threat,
    options: RunOptions,
) -> AttackResult:
    """Run the attack on the samples in the mask `correct`, (n,), and judge it on `module`.

    At the deadline, if the options have one, it ends with what it has found. A random model may answer a sample wrong
    by luck before the attack, and correctly when that is verified. So the samples that are left of such a model are
    attacked once more with another seed.
    """
    measure = partial(measure_attack, module, samples, attack=attack.build(module), threat=threat)
    options = replace(options, draws=attack.draws > 1)
    first = measure(correct=correct, options=options)
    if not options.draws:
        return first
    left = correct & ~first.adversarial
    return _merge_results(first, measure(correct=left, options=replace(options, seed=options.seed + 1)))


def attack_hardest_first(run: Callable[[Flags], AttackResult], first: Flags, left: Flags) -> tuple[AttackResult, int]:
    """Call `run` with those samples of `left`, (n,), that are in `first`, and with the others if some of these fall.

    Return the result, and the number of samples that were attacked.
    """
    found = run(left & first)
    if found.adversarial.sum() < MIN_HINTS or not (left & ~first).any():
        return found, int((left & first).sum())
    return _merge_results(found, run(left & ~first)), int(left.sum())


def _merge_results(first: AttackResult, second: AttackResult) -> AttackResult:
    """Merge the results of two runs that attacked different samples."""
    rows = np.concatenate([np.flatnonzero(first.adversarial), np.flatnonzero(second.adversarial)])
    return replace(
        first,
        adversarial=first.adversarial | second.adversarial,
        x_adv=np.concatenate([first.x_adv, second.x_adv])[np.argsort(rows)],
        faulty=max(first.faulty, second.faulty),
        fault=np.where(second.adversarial, 0, first.fault).astype(np.int8),
        forwards=first.forwards + second.forwards,
        backwards=first.backwards + second.backwards,
        seconds=first.seconds + second.seconds,
        partial=first.partial or second.partial,
    )


def count_targets(classes: int) -> int:
    """Return at how many wrong classes an attack aims."""
    return min(MAX_TARGETS, classes - 1)


def _make_pgd(loss: str) -> PGD:
    return PGD(STEPS, stride=1.0, loss=loss, last=0.01)


@dataclass(frozen=True, slots=True)
class Blur:
    """`attack` on `model` as it answers at random inputs nearby; each sample draws its own, whatever its batch."""

    attack: Attack[Any]
    model: nn.Module
    share: float  # of the threat model

    @property
    def steps(self) -> int:
        return self.attack.steps

    def init(self, task: Task) -> TransferState:
        return self._transfer(task, 0).init(task)

    def step(self, task: Task, state: TransferState, k: int) -> TransferState:
        return self._transfer(task, k + 1).step(task, state, k)

    def _transfer(self, task: Task, k: int) -> Transfer:
        """Make the attack of step k from the model at random inputs nearby; each query draws others."""
        draws, rng = count(), task.rng.fold(BLUR_STREAM).fold(k)

        def answer_nearby(x: Tensor) -> Tensor:
            with torch.no_grad():
                offset = self.share * (task.threat.sample(x, rng.fold(next(draws))) - x)
            logits: Tensor = self.model(x + offset)
            return logits

        return Transfer(self.attack, answer_nearby)


@dataclass(frozen=True)
class Context:
    """A few inputs of a model in doubt, and the threat model."""

    x: Tensor  # (n, *features), on the model's device
    threat: Threat
    seed: int

    @property
    def nearby(self) -> Tensor:
        """Draw for each x a random input that the threat model allows, (n, *features)."""
        return self.threat.sample(self.x, Rng.of(self.seed, torch.arange(len(self.x), device=self.x.device)))


# Each returns the attack with the mitigation added, or None if it does not suit the attack's model.
MITIGATIONS: Registry[Callable[[Context, MitigatedAttack], MitigatedAttack | None]] = Registry(
    "mitigation", ("robust.trust.mitigations",), "robust.mitigations"
)


def choose_mitigations(module: nn.Module, x: Tensor, threat: Threat, seed: int = 0) -> MitigatedAttack:
    """Apply every mitigation that suits the model; x is (n, *features), on its device, within the bounds.

    The model stays unchanged. So it does when the attack runs, which adds hooks only for the time of a query.
    """
    context, attack = Context(x[:MAX_SAMPLES], threat, seed), MitigatedAttack(module)
    with eval_mode(module, seed):
        for name in MITIGATIONS.names():
            if (mitigated := MITIGATIONS.get(name)(context, attack)) is not None:
                attack = replace(mitigated, names=(*attack.names, name))
    return attack
