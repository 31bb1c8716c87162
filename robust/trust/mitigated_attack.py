"""An attack along the gradients of a mitigated model, whose success is judged on the model itself."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.combine.bestof import BestOf
from robust.attacks.combine.eot import EOT
from robust.attacks.combine.targets import Targets
from robust.attacks.combine.transfer import Transfer, TransferState
from robust.attacks.combine.worst_of_draws import WorstOfDraws
from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.engine import AnyAttack, Attack, eval_mode
from robust.attacks.registry import Registry
from robust.attacks.rng import Rng
from robust.attacks.task import Task
from robust.attacks.threats.threat import Threat
from robust.attacks.zoo.pgd import PGD
from robust.attacks.zoo.square import Square
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.measure import AttackResult, join_theta, measure_attack
from robust.flags import Flags
from robust.models.twinned import is_twinned
from robust.trust.checks import suits
from robust.trust.pass_share import GRADIENT_PASSES
from robust.trust.sloped import DIRECTIONS, Sloped

MAX_SAMPLES = 16  # on which the mitigations are chosen: enough to see whether a gradient passes
STEPS = 20
AIMED_STEPS, MAX_TARGETS = 8, 9  # steps to each class, of so many at most, to see whether that finds more
BLUR_DRAWS = 10  # random inputs over which a blurred gradient is averaged
# The same, and the queries and the steps along slopes, of an attack that is cut short.
SHORT_DRAWS, SHORT_QUERIES, SHORT_STEPS = 4, 250, 12
BLUR_STREAM = 0xB1  # number of its stream of random numbers
RANDOM_RUNS = 2  # on a random model, with other seeds
# For a random model: losses, and the number of draws that must all be wrong. The last stage accepts a single one, since
# few samples are left for it, and luck decides about them.
RANDOM_STAGES = (("ce", 10), ("margin", 10), ("ce", 1))


class Stage(NamedTuple):
    """A part of the attack, on the samples that are still robust."""

    attack: AnyAttack
    passes: int  # of a sample that resists


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
    chosen: tuple[int, ...] = ()  # the numbers of the stages that are run; all, if there are none
    short: bool = False  # its long stages are cut short
    losses: tuple[str, ...] = CLASS.losses  # that the criterion has

    def plain(self) -> "MitigatedAttack":
        """Return the attack without what is slow: only the gradient stays that of the mitigated model."""
        names = tuple(name for name in self.names if name not in ("blur", "queries"))
        return replace(self, names=names, blur=0.0, queries=0, slopes=False)

    def build(self, module: nn.Module) -> AnyAttack:
        """Make the attack on `module`: several stages, each on the samples that are still robust."""
        stages = self.stages(module)
        return BestOf(tuple(stages[k].attack for k in self.chosen or range(len(stages))))

    def stages(self, module: nn.Module) -> list[Stage]:
        """Make all stages, whichever are chosen; on a random model each needs those before it."""
        gradients = GRADIENT_PASSES * STEPS
        if self.draws > 1:
            mean = min(self.draws, SHORT_DRAWS) if self.short else self.draws
            attacks = ((Transfer(_make_pgd(loss), self.model), draws) for loss, draws in RANDOM_STAGES)
            parts = tuple(EOT(WorstOfDraws(attack, draws), mean) for attack, draws in attacks)
            return [Stage(BestOf(parts), RANDOM_RUNS * len(parts) * mean * gradients)]
        second = "sice" if "sice" in self.losses else "ce"
        stages = [Stage(self._follow(_make_pgd(loss), module), gradients) for loss in ("margin", second)]
        if self.targets:
            aimed = Targets(self._follow(_make_pgd("margin"), module), self.targets)
            stages.append(Stage(aimed, self.targets * gradients))
        if self.blur:
            draws = SHORT_DRAWS if self.short else BLUR_DRAWS
            stages.append(Stage(Blur(EOT(_make_pgd("margin"), draws), self.model, self.blur), draws * gradients))
        if self.slopes:
            steps = SHORT_STEPS if self.short else 2 * STEPS
            sloped = Sloped(PGD(steps, stride=1.0, loss="margin", last=0.01), self.model)
            stages.append(Stage(sloped, steps * (1 + 2 * DIRECTIONS)))
        if self.queries:
            queries = min(self.queries, SHORT_QUERIES) if self.short else self.queries
            stages.append(Stage(Square(queries), queries))
        return stages

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
    return merge_results(first, measure(correct=left, options=replace(options, seed=options.seed + 1)))


def merge_results(first: AttackResult, second: AttackResult) -> AttackResult:
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
        theta=join_theta(first, second),
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
    criterion: Criterion = CLASS
    y: Tensor | None = None  # the labels, if the criterion is not `class`: then the answers stand for them

    @property
    def nearby(self) -> Tensor:
        """Draw for each x a random input that the threat model allows, (n, *features)."""
        return self.threat.sample(self.x, Rng.of(self.seed, torch.arange(len(self.x), device=self.x.device)))


# Those that look for what hides a gradient inside a model: there is none to be found in a network with a float twin.
WITHIN = ("inner-logits", "secant", "straight-through", "true-gradient")

# Each returns the attack with the mitigation added, or None if it does not suit the attack's model.
MITIGATIONS: Registry[Callable[[Context, MitigatedAttack], MitigatedAttack | None]] = Registry(
    "mitigation", ("robust.trust.mitigations",), "robust.mitigations"
)


def choose_mitigations(
    module: nn.Module,
    x: Tensor,
    threat: Threat,
    seed: int = 0,
    criterion: Criterion = CLASS,
    y: Tensor | None = None,
) -> MitigatedAttack:
    """Apply every mitigation that suits the model and the criterion; x is (n, *features), on its device, and so is y.

    The model stays unchanged. So it does when the attack runs, which adds hooks only for the time of a query.
    """
    few = None if y is None or criterion == CLASS else y[:MAX_SAMPLES]
    context = Context(x[:MAX_SAMPLES], threat, seed, criterion, few)
    attack = MitigatedAttack(module, losses=criterion.losses)
    with eval_mode(module, seed):
        for name in MITIGATIONS.names():
            if not suits(MITIGATIONS.get(name), str(criterion)) or (name in WITHIN and is_twinned(module)):
                continue
            if (mitigated := MITIGATIONS.get(name)(context, attack)) is not None:
                attack = replace(mitigated, names=(*attack.names, name))
    return attack
