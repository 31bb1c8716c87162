"""A search for what a defence hides: along the gradients of a mended model, judged on the untouched one."""

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
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import AttackResult, measure_attack
from robust.flags import Flags

PROBED = 16  # samples that a mitigation looks at: enough to tell whether a gradient passes
STEPS = 20
BLURS = 10  # draws of a blurred gradient
BLURRED = 0xB1  # its stream of random numbers
# Losses, and how many draws must all be wrong. Few samples are left for the last, where it is a question of luck.
HELD = (("ce", 10), ("margin", 10), ("ce", 1))


@dataclass(frozen=True)
class MitigatedAttack:
    """Where inputs are sought that fool a model, and how."""

    model: nn.Module  # in evaluation mode: the model itself, or one that answers alike and has other gradients
    names: tuple[str, ...] = ()  # of the mitigations that made the search what it is
    draws: int = 1  # over how many a gradient is a mean
    blur: float = 0.0  # a share of the threat model: gradients are means over so wide a neighbourhood, too
    queries: int = 0  # of an attack without gradients

    def attack(self) -> AnyAttack:
        """The attacks, one after the other on what still stands."""
        if self.draws > 1:
            steady = ((Transfer(_climb(loss), self.model), looks) for loss, looks in HELD)
            return BestOf(tuple(EOT(WorstOfDraws(climb, looks), self.draws) for climb, looks in steady))
        found: list[Attack[Any]] = [Transfer(_climb(loss), self.model) for loss in ("margin", "sice")]
        if self.blur:
            found.append(Blur(EOT(_climb("margin"), BLURS), self.model, self.blur))
        if self.queries:
            found.append(Square(self.queries))
        return BestOf(tuple(found))


def run_mitigated(
    module: nn.Module,
    samples: Samples,
    correct: Flags,
    search: MitigatedAttack,
    threat: Threat,
    *,
    seed: int,
    feed: Batcher,
) -> AttackResult:
    """What the search breaks of the samples in the mask `correct`, judged on `module`.

    A model that draws may answer a sample wrong by luck before it is attacked, and right when that is verified: what
    is left of such a model is sought with another seed, too.
    """
    measured = partial(measure_attack, module, samples, attack=search.attack(), threat=threat, feed=feed)
    if search.draws == 1:
        return measured(correct=correct, seed=seed)
    first = measured(correct=correct, seed=seed, draws=True)
    return merged(first, measured(correct=correct & ~first.adversarial, seed=seed + 1, draws=True))


def merged(first: AttackResult, second: AttackResult) -> AttackResult:
    """Two findings on different samples as one."""
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
    )


def _climb(loss: str) -> PGD:
    return PGD(STEPS, stride=1.0, loss=loss, last=0.01)


@dataclass(frozen=True, slots=True)
class Blur:
    """`attack` on `model` as it answers at random places nearby, which each sample draws for itself in any batch."""

    attack: Attack[Any]
    model: nn.Module
    share: float  # of the threat model

    @property
    def steps(self) -> int:
        return self.attack.steps

    def init(self, task: Task) -> TransferState:
        return self._nearby(task, 0).init(task)

    def step(self, task: Task, state: TransferState, k: int) -> TransferState:
        return self._nearby(task, k + 1).step(task, state, k)

    def _nearby(self, task: Task, k: int) -> Transfer:
        """The transfer from there in step number k; each time that the model is asked the places are others."""
        draws, rng = count(), task.rng.fold(BLURRED).fold(k)

        def answer(x: Tensor) -> Tensor:
            with torch.no_grad():
                off = self.share * (task.threat.sample(x, rng.fold(next(draws))) - x)
            answered: Tensor = self.model(x + off)
            return answered

        return Transfer(self.attack, answer)


@dataclass(frozen=True)
class Context:
    """A few inputs of a model that is in doubt."""

    x: Tensor  # (n, *features), on the model's device
    threat: Threat
    seed: int

    @property
    def near(self) -> Tensor:
        """A random input that the threat model admits for each x."""
        return self.threat.sample(self.x, Rng.of(self.seed, torch.arange(len(self.x), device=self.x.device)))


# Each looks whether it is one for the search's model, and returns the search with it; None where it is not.
MITIGATIONS: Registry[Callable[[Context, MitigatedAttack], MitigatedAttack | None]] = Registry(
    "mitigation", ("robust.trust.mitigations",), "robust.mitigations"
)


def choose_mitigations(module: nn.Module, x: Tensor, threat: Threat, seed: int = 0) -> MitigatedAttack:
    """Apply every mitigation that is one for this model; x is (n, *features), on its device, within the bounds.

    The model is left as found; so it is by the attacks of the search, which hang hooks on it while they ask it.
    """
    plight, search = Context(x[:PROBED], threat, seed), MitigatedAttack(module)
    with eval_mode(module, seed):
        for name in MITIGATIONS.names():
            if (changed := MITIGATIONS.get(name)(plight, search)) is not None:
                search = replace(changed, names=(*search.names, name))
    return search
