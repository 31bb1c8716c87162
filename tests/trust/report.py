"""`make gauntlet`: what each defence pretends, and what the remedies leave of it, as a table; variants too."""

import time

import torch
from torch import nn

from robust.evaluate import measure_attack, measure_clean
from robust.trust.search import prescribe
from tests.trust.gauntlet import BASES, GAUNTLET, THREAT, VARIANTS, Broken, samples, trained

EVALUATION = ("fgsm", "pgd")


def left(module: nn.Module, *attacks) -> float:
    """Robust accuracy in percent under the attacks together."""
    correct = measure_clean(module, samples()).correct
    standing = correct.copy()
    for attack in attacks:
        standing &= ~measure_attack(module, samples(), standing, attack, THREAT).broken
    return 100 * float(standing.mean())


def remedied(module: nn.Module) -> tuple[float, tuple[str, ...]]:
    search = prescribe(module, torch.from_numpy(samples().x), THREAT)
    return left(module, *EVALUATION, search.attack(THREAT)), search.names


if __name__ == "__main__":
    for title, cases in (("gauntlet", GAUNTLET), ("variants", VARIANTS)):
        print(title)
        for name in {case.base: 0 for case in cases}:
            print(
                "twin",
                name,
                left(trained(BASES[name]), *EVALUATION, "pgd:loss=margin:stride=1:last=0.01"),
                remedied(trained(BASES[name])),
                flush=True,
            )
        for case in cases:
            module = case.defend(trained(BASES[case.base]), samples()).eval()
            began = time.monotonic()
            print(
                f"| {case.name} | {case.base} | {left(module):.1f} | {left(module, *EVALUATION):.1f} | {remedied(module)} | {time.monotonic() - began:.1f}",
                flush=True,
            )
