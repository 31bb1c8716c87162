"""The attack with mitigations, tried on a few samples, and on all that are left where some of these fall.

What is tried is within the budget of all checks. Where samples fall the row's figure is wrong, and the attack goes on
for the sake of a better one, with those of its stages that have found something.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from robust.evaluation.measure import AttackResult
from robust.flags import Flags
from robust.trust.attack_probe import MIN_HINTS
from robust.trust.mitigated_attack import MitigatedAttack, merge_results
from robust.trust.pass_budget import PassBudget

FIRST, MIN_FIRST = 1 / 3, 32  # share and number of the samples on which it is tried, if the budget allows it
LEAST = 6  # on which every stage is tried, whatever the budget
CHEAP = 100  # passes of a sample in a stage that is run on all samples, if not less can settle a doubt


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


Run = Callable[[Flags, MitigatedAttack], AttackResult]


def attack_hardest_first(
    run: Run, look: FirstLook, pick: Callable[[int], Flags], left: Flags, *, whole: bool
) -> tuple[AttackResult, int]:
    """Call `run` with a few of the samples that are `left`, (n,), and with all of them if some of these fall.

    `pick` marks the hardest of them, (n,), given their number. `whole`: where none falls, stages that take few passes
    are still run on all. Return the result, and the number of samples that were attacked.
    """
    found, useful, tried = None, [], np.zeros_like(left)
    for k, count in enumerate(look.counts):
        mask = left & pick(count)
        tried |= mask
        part = run(mask & ~found.adversarial if found else mask, replace(look.attack, chosen=(k,)))
        useful += [k] * bool(part.adversarial.any())
        found = merge_results(found, part) if found else part
    assert found is not None
    others = left & ~found.adversarial
    if found.adversarial.sum() < MIN_HINTS:
        others = left & ~tried
        useful = [k for k, passes in enumerate(look.passes) if passes <= CHEAP] if whole else []
    if not useful or not others.any():
        return found, int(tried.sum())
    rest = run(others, replace(look.attack, chosen=tuple(useful), short=False))
    return merge_results(found, rest), int(left.sum())
