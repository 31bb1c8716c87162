"""The attack with mitigations, tried on a few samples, and on all that are left where some of these fall.

What is tried is within the budget of all checks. Where samples fall the row's figure is wrong, and the attack goes on
for the sake of a better one, with those of its stages that have found something.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from robust.evaluation.measure import AttackResult
from robust.flags import Flags
from robust.trust.hardest import MIN_HINTS, MORE
from robust.trust.mitigated_attack import MitigatedAttack, merge_results
from robust.trust.pass_budget import PassBudget

FIRST, MIN_FIRST = 1 / 3, 32  # share and number of the samples on which it is tried, if the budget allows it
LEAST = 6  # on which every stage is tried, whatever the budget
CHEAP = 100  # passes of a sample in a stage that is run on all samples, where some fall or all are needed


@dataclass(frozen=True)
class FirstLook:
    """The attack as it is tried, and on how many samples each of its stages is."""

    attack: MitigatedAttack
    counts: tuple[int, ...]
    passes: tuple[int, ...]  # of a sample in each stage

    @classmethod
    def plan(cls, attack: MitigatedAttack, module: nn.Module, budget: PassBudget, robust: int) -> "FirstLook":
        """Share the passes that are left out to the stages. Long stages are cut short if these do not suffice."""
        most = min(robust, max(MIN_FIRST, round(FIRST * robust)))
        if LEAST * sum(stage.passes for stage in attack.stages(module)) > budget.left:
            attack = replace(attack, short=True)
        passes = tuple(stage.passes for stage in attack.stages(module))
        shares = (min(float(most), budget.left / len(passes) / each) for each in passes)
        return cls(attack, tuple(max(min(LEAST, most), int(share)) for share in shares), passes)


@dataclass
class Hunt:
    """The attack on the samples that are left, stage by stage."""

    run: Callable[[Flags, MitigatedAttack], AttackResult]  # attacks the samples of a mask, (n,)
    pick: Callable[[Flags, int], Flags]  # marks so many of the hardest samples of a mask, (n,)
    look: FirstLook
    left: Flags  # (n,)
    tried: Flags  # (n,)
    hints: int = MIN_HINTS  # samples that must fall at first for it to go on with all
    found: AttackResult | None = None

    def attack(self, mask: Flags, *stages: int, short: bool) -> int:
        """Run stages of the attack on those samples of `mask`, (n,), that are left; return how many fall."""
        self.tried = self.tried | mask
        part = self.run(mask & self.left, replace(self.look.attack, chosen=stages, short=short))
        self.found = merge_results(self.found, part) if self.found else part
        self.left = self.left & ~part.adversarial
        return int(part.adversarial.sum())

    def look_at(self, stage: int, mask: Flags, count: int) -> int:
        """Run a stage on so many of the samples of `mask`, (n,); return how many fall."""
        return self.attack(self.pick(mask, count), stage, short=self.look.attack.short)

    def go_on(self, stage: int) -> None:
        """Run a stage on some that are left, the hardest first, and on more for as long as they fall."""
        rest, fallen = self.left, MIN_HINTS
        while fallen >= MIN_HINTS and rest.any():
            some = self.pick(rest, MORE)
            more = some if some.any() else rest  # of many samples it picks among a few
            fallen, rest = self.attack(more, stage, short=False), rest & ~more


def attack_hardest_first(hunt: Hunt, *, whole: bool) -> tuple[AttackResult, int]:
    """Attack a few of the samples, and all of them if some of these fall, with the stages that break some or are cheap.

    Another stage is then tried on some that are left. `whole`: where none falls, the cheap stages are still run on all.
    Return the result, and the number of samples that were attacked.
    """
    start, look = hunt.left, hunt.look
    cheap = {k for k, passes in enumerate(look.passes) if passes <= CHEAP}
    useful = {k for k, count in enumerate(look.counts) if hunt.look_at(k, start, count)}
    assert hunt.found is not None
    if hunt.found.adversarial.sum() >= hunt.hints:
        hunt.attack(start, *sorted(useful | cheap), short=False)
        for k in sorted({*range(len(look.counts))} - useful - cheap):
            if hunt.look_at(k, hunt.left, LEAST):
                hunt.go_on(k)
    elif whole and cheap:
        hunt.attack(start & ~hunt.tried, *sorted(cheap), short=False)
    return hunt.found, int((start & hunt.tried).sum())
