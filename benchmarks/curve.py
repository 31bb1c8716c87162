"""`make bench-curve`: how near each attack's curve comes to the best that any attack found, at equal numbers of passes.

As AttackBench measures it (2404.19460): the optimality of an attack on a network is 1 where its curve of robust
accuracy against eps is the lowest that is known, and 0 where it found nothing; its global optimality is the mean over
networks. What was measured is kept in results/curve/, a file for each network and norm, so that a run that was stopped
goes on.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks import table
from benchmarks.duel import Attacker, Effort, distance, spend
from benchmarks.subjects import CASES, ROOT, Case, Subject
from robust.attacks.geometry import Norm
from robust.attacks.suite import read_suite
from robust.evaluation import measure_curve
from robust.evaluation.curve_tensors import SUITE
from robust.evaluation.suite_cache import hash_code
from robust.records.files import write

PAGE, RESULTS = ROOT / "benchmarks/curve.md", ROOT / "benchmarks/results/curve"
SUBJECTS = ("standard", "pgd-at", "trades", "trades-l2", "digits-pgd-at", "vit-fashion")
NORMS: tuple[Norm, ...] = ("linf", "l2", "l1")
SEED, N = 0, 50
OURS = "pytest-robust, the ladder of `--robust-curve`"
PACKAGES = ("torch", "foolbox", "torchattacks")
SEARCHES = 5  # of EAD's constant
FEW, FIRST = 8, 10  # images and steps of the run that tells what a step of another library's attack costs
LEGEND = (
    "Optimality, as AttackBench defines it (2404.19460), is the mean over the networks: 1 is the lowest curve of "
    "robust accuracy against eps that the attacks found together, the nearest input of each image, and 0 is that of an "
    "attack which finds nothing. Worst is its lowest value on a network. Passes are forward and backward passes of an "
    "image, the mean over the networks; the others get as many steps as make theirs as many as ours, as runs on few "
    "images tell, and keep their defaults else; EAD may stop early. FMN of foolbox 3.3.4 does not project in l2, where "
    "it divides a norm by itself, so more steps are of no use to it: there its DDN is the one to look at. FAB of "
    "torchattacks ends in an error in l1. The same code judges all sides."
)

Distances = NDArray[np.float64]
Stepped = Callable[[int], Attacker]  # an attack with so many steps


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of an attack on a network: distances, (images,), inf for none, and the passes of an image."""

    distance: Distances
    passes: float
    earlier: bool = False  # whether other code measured it

    def to_json(self) -> dict[str, Any]:
        distances = [float(d) if np.isfinite(d) else None for d in self.distance]
        return {"passes": self.passes, "distance": distances}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Found":
        return cls(np.array([np.inf if d is None else d for d in content["distance"]]), content["passes"])


def ours(norm: Norm) -> Attacker:
    """Return the ladder of --robust-curve."""

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        found, x_adv = measure_curve(model, x, y, norm, seed=SEED), x.clone()
        x_adv[torch.from_numpy(found.found)] = torch.from_numpy(found.x_adv)
        return x_adv

    return attack


def peers(norm: Norm) -> dict[str, Stepped]:
    """Return the attacks of other libraries that seek the smallest perturbation in a norm."""
    from benchmarks.peers.foolbox import attacker

    made: dict[str, Stepped] = {}
    if norm == "l1":  # where their FAB ends in an error
        made["torchattacks, EAD"] = _ead
    else:
        made["torchattacks, FAB-T"] = lambda steps: _fab(norm, steps)
    fmn = {"linf": "LInfFMNAttack", "l2": "L2FMNAttack", "l1": "L1FMNAttack"}[norm]
    made["foolbox, FMN"] = lambda steps: attacker(fmn, steps=steps)
    if norm == "l2":
        made["foolbox, DDN"] = lambda steps: attacker("DDNAttack", steps=steps)
    if norm == "l1":
        made["foolbox, EAD"] = lambda steps: attacker("EADAttack", binary_search_steps=SEARCHES, steps=steps)
    return made


def _fab(norm: Norm, steps: int) -> Attacker:
    """Return FAB of torchattacks, aimed at each other class in turn."""
    import torchattacks

    word = {"linf": "Linf", "l2": "L2"}[norm]

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        made = torchattacks.FAB(model, norm=word, eps=1e6, steps=steps, multi_targeted=True, n_classes=10)
        found: Tensor = made(x, y)
        return found

    return attack


def _ead(steps: int) -> Attacker:
    """Return EAD of torchattacks, which searches for its constant in rounds of so many steps."""
    import torchattacks

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        found: Tensor = torchattacks.EADL1(model, binary_search_steps=SEARCHES, max_iterations=steps)(x, y)
        return found

    return attack


def optimality(found: Distances, best: Distances) -> float:
    """Return how near the curve of these distances, (images,), is to the best: the share of the area above that."""
    end = best[np.isfinite(best)].max(initial=0.0)
    above = end - np.minimum(best, end).mean()
    return float((end - np.minimum(found, end).mean()) / above) if above else 1.0


def choose_steps(stepped: Stepped, on: Subject, passes: float) -> int:
    """Return with how many steps an attack takes at most so many passes of an image, as runs on few images tell."""
    few, steps = Subject(on.name, on.model, on.x[:FEW], on.y[:FEW], FEW), FIRST
    for _ in range(2):  # since the first steps of some cost less than later ones
        steps = max(1, int(steps * passes / _passes(spend(stepped(steps), few, SEED))))
    return steps


def measure(on: Subject, norm: Norm, kept: dict[str, Found], others: Mapping[str, Stepped]) -> Iterator[str]:
    """Measure each attack of which nothing is kept, ours first; yield its name once it is kept.

    Ours is measured again if other code measured it; the others too, if ours now takes another number of passes.
    """
    for name in (OURS, *others):
        if name in kept and not kept[name].earlier:
            continue
        attack = ours(norm)
        if name != OURS:
            attack = others[name](choose_steps(others[name], on, kept[OURS].passes))
        effort = spend(attack, on, SEED)
        found = Found(distance(on.model, effort.x_adv, on.x, on.y, norm).numpy(), _passes(effort))
        if name == OURS and OURS in kept and kept[OURS].passes != found.passes:
            kept.clear()
        kept[name] = found
        yield name


def _passes(effort: Effort) -> float:
    return (effort.forwards + effort.backwards) / len(effort.x_adv)


class Kept:
    """The file of what was measured of a network in a norm; of other images or weights it counts as empty.

    Of other code, ours counts as missing. The others stay: they depend on how many passes ours took, alone.
    """

    def __init__(self, folder: Path, case: Case, norm: Norm, n: int) -> None:
        self._path = folder / f"{case.name}-{norm}.json"
        weights = hashlib.sha256(case.path.read_bytes()).hexdigest()[:16]
        self._of = {"weights": weights, "images": n, "seed": SEED}
        self._code = hash_code(read_suite(SUITE, Path()))[:16]

    def read(self) -> dict[str, Found]:
        """Return what was found, by attack."""
        content = json.loads(self._path.read_text("utf-8")) if self._path.exists() else {}
        if content.get("of") != self._of:
            return {}
        found = {name: Found.from_json(each) for name, each in content["attacks"].items()}
        return found if content.get("code") == self._code else found | {OURS: replace(found[OURS], earlier=True)}

    def write(self, kept: Mapping[str, Found]) -> None:
        """Replace the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        attacks = {name: found.to_json() for name, found in kept.items()}
        content = {"of": self._of, "code": self._code, "attacks": attacks}
        write(self._path, json.dumps(content, indent=1).encode())


def rows(norm: str, results: Mapping[str, Mapping[str, Found]]) -> list[tuple[str, ...]]:
    """Return the table's rows of a norm, the best attack first; results are by network and attack."""
    scores: dict[str, list[tuple[float, float]]] = {}
    for attacks in results.values():
        best = np.min([found.distance for found in attacks.values()], axis=0)
        for name, found in attacks.items():
            scores.setdefault(name, []).append((optimality(found.distance, best), found.passes))
    lines: list[tuple[str, ...]] = []
    for name, each in sorted(scores.items(), key=lambda item: -float(np.mean(item[1], axis=0)[0])):
        mean, passes = np.mean(each, axis=0)
        lines.append((norm, name, str(len(each)), f"{mean:.3f}", f"{min(each)[0]:.3f}", f"{passes:,.0f}"))
    return lines


def main(argv: list[str] | None = None) -> int:
    """Measure what is missing, and write the page of the networks that are whole."""
    parser = argparse.ArgumentParser(prog="benchmarks.curve", description=__doc__)
    parser.add_argument("--images", type=int, default=N, help=f"of each network; default: {N}")
    parser.add_argument("--again", action="store_true", help="measure all again")
    parser.add_argument("--page", action="store_true", help="measure nothing: write the page of what is kept")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    cases = [next(case for case in CASES if case.name == name) for name in SUBJECTS]
    if not args.page:
        for case in cases:
            _measure_case(case, args.images, again=args.again)
    return _write_page(cases, args.images)


def _measure_case(case: Case, n: int, *, again: bool) -> None:
    on = case.subject(n, SEED)
    for norm in NORMS:
        file = Kept(RESULTS, case, norm, n)
        kept = {} if again else file.read()
        for name in measure(on, norm, kept, peers(norm)):
            file.write(kept)
            found = kept[name]
            middle = np.median(found.distance)
            sys.stdout.write(f"{case.name} {norm} {name}: median {middle:.4g}, {found.passes:,.0f} passes\n")
            sys.stdout.flush()


def _is_whole(kept: Mapping[str, Found], norm: Norm) -> bool:
    return {OURS, *peers(norm)} <= {*kept} and not kept[OURS].earlier


def _write_page(cases: list[Case], n: int) -> int:
    lines, missing = [], []
    for norm in NORMS:
        results = {case.name: Kept(RESULTS, case, norm, n).read() for case in cases}
        whole = {name: kept for name, kept in results.items() if _is_whole(kept, norm)}
        missing += [f"{name} in {norm}" for name in results if name not in whole]
        lines += rows(norm, whole)
    heads = ("norm", "attack", "networks", "optimality", "worst", "passes")
    text = table.markdown(heads, lines, words=2)
    text += ["", f"{n} test images of each of {', '.join(SUBJECTS)}; those that are answered right are attacked."]
    if missing:
        text += ["", f"Not measured yet: {', '.join(missing)}."]
    PAGE.write_text(table.page("Smallest perturbations", LEGEND, text, SEED, PACKAGES), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
