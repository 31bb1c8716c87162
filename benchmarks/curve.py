"""`make bench-curve`: how near each attack's curve comes to the best that any attack found, at equal numbers of passes.

As AttackBench measures it (2404.19460): the optimality of an attack on a model is 1 where its curve of robust accuracy
against eps is the lowest that is known, and 0 where it found nothing. The same code judges all sides.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import table
from benchmarks.duel import Attacker, distance, spend
from benchmarks.subjects import CASES, Subject
from robust.attacks.geometry import Norm
from robust.evaluation import measure_curve

PAGE = Path(__file__).parent / "curve.md"
SUBJECTS = ("standard", "pgd-at", "trades", "trades-l2", "digits-pgd-at", "vit-fashion")
NORMS: tuple[Norm, ...] = ("linf", "l2", "l1")
SEED = 0
LEGEND = (
    "Each cell is the optimality of an attack, the mean over the networks below the table: 1 is the lowest curve of "
    "robust accuracy against eps that any of the attacks found, 0 is that of an attack which finds nothing. Passes are "
    "of a sample, a backward pass counts as two; the others get as many steps as make them as many as ours."
)


def ours(norm: Norm) -> Attacker:
    """Return the ladder of --robust-curve."""

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        found, x_adv = measure_curve(model, x, y, norm, seed=SEED), x.clone()
        x_adv[torch.from_numpy(found.found)] = torch.from_numpy(found.x_adv)
        return x_adv

    return attack


def peers(norm: Norm, passes: float) -> dict[str, Attacker]:
    """Return the attacks of other libraries for a norm that seek the smallest perturbation, with so many passes."""
    from benchmarks.peers.foolbox import attacker

    steps = int(passes / 3)  # forward and backward
    made = {
        "foolbox FMN": attacker({"linf": "LInfFMNAttack", "l2": "L2FMNAttack", "l1": "L1FMNAttack"}[norm], steps=steps)
    }
    if norm == "l2":
        made["foolbox DDN"] = attacker("DDNAttack", steps=steps)
    if norm == "l1":
        made["foolbox EAD"] = attacker("EADAttack", binary_search_steps=5, steps=steps // 5)
    return made | {"torchattacks FAB": _fab(norm, passes)}


def _fab(norm: Norm, passes: float) -> Attacker:
    """Return FAB of torchattacks, aimed at each of nine classes: about four passes a step and class."""
    import torchattacks

    word = {"linf": "Linf", "l2": "L2", "l1": "L1"}[norm]

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        steps = max(1, int(passes / (4 * 9)))
        made = torchattacks.FAB(model, norm=word, eps=1e6, steps=steps, multi_targeted=True, n_classes=10)
        found: Tensor = made(x, y)
        return found

    return attack


def optimality(found: np.ndarray, best: np.ndarray) -> float:
    """Return how near the curve of these distances, (n,), is to that of the best: 1 less the area between them."""
    end = best.max()
    return 1 - float((np.minimum(found, end).mean() - best.mean()) / (end - best.mean()))


def measure(on: Subject, norm: Norm) -> dict[str, tuple[np.ndarray, float]]:
    """Return (distances, passes of a sample) of each attack on a network."""
    results = {"pytest-robust": _run(ours(norm), on, norm)}
    for name, attack in peers(norm, results["pytest-robust"][1]).items():
        results[name] = _run(attack, on, norm)
    return results


def _run(attack: Attacker, on: Subject, norm: Norm) -> tuple[np.ndarray, float]:
    effort = spend(attack, on, SEED)
    found = distance(on.model, effort.x_adv, on.x, on.y, norm).numpy()
    return found, (effort.forwards + 2 * effort.backwards) / len(on.x)


def compare(subjects: list[Subject], norm: Norm, tell: Callable[[str], None]) -> dict[str, tuple[float, float]]:
    """Return (mean optimality, mean passes) of each attack over the networks."""
    scores: dict[str, list[tuple[float, float]]] = {}
    for on in subjects:
        results = measure(on, norm)
        best = np.min([found for found, _ in results.values()], axis=0)
        for name, (found, passes) in results.items():
            scores.setdefault(name, []).append((optimality(found, best), passes))
            tell(f"{norm} {on.name} {name}: {scores[name][-1][0]:.3f}, {passes:.0f} passes")
    return {
        name: (float(np.mean([s for s, _ in each])), float(np.mean([p for _, p in each])))
        for name, each in scores.items()
    }


def main(argv: list[str] | None = None) -> int:
    """Measure all, and write the page."""
    parser = argparse.ArgumentParser(prog="benchmarks.curve", description=__doc__)
    parser.add_argument("--images", type=int, default=12, help="of each network")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    cases = [next(case for case in CASES if case.name == name) for name in SUBJECTS]
    subjects = [case.subject(args.images, SEED) for case in cases]
    rows = []
    for norm in NORMS:
        scores = compare(subjects, norm, _print)
        ordered = sorted(scores.items(), key=lambda item: -item[1][0])
        rows += [(norm, name, f"{score:.3f}", f"{passes:,.0f}") for name, (score, passes) in ordered]
    lines = table.markdown(("norm", "attack", "optimality", "passes"), rows, words=2)
    lines += ["", f"{args.images} images of each of {', '.join(SUBJECTS)}."]
    PAGE.write_text(
        table.page("Smallest perturbations", LEGEND, lines, SEED, ("torch", "foolbox", "torchattacks")), "utf-8"
    )
    return 0


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
