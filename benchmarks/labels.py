"""`make bench-labels`: attacks by labels alone beside foolbox's and the authors' own code: writes labels.md.

The authors' files, hsja.py of Jianbo-Lab/HSJA and RayS.py of uclaml/RayS, lie in a folder that is given: they are not
of this project.
"""

import argparse
import importlib
import sys
import types
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks import table
from benchmarks.subjects import ROOT, Subject, read_cases
from robust.attacks import LpThreat, assail, make
from robust.attacks.rng import seeded

OUT = Path(__file__).parent / "labels.md"
AT = (50, 100, 200, 500, 1000, 2000, 5000)  # queries a sample
N, SEED = 100, 1
CASES = (  # (network, threat model)
    ("standard", "l2:0.75"),
    ("pgd-at-l2", "l2:1.5"),
    ("standard", "linf:0.046"),
    ("pgd-at", "linf:0.15"),
)
OURS = {"linf": ("decision", "rays"), "l2": ("decision", "hopskipjump")}
LEGEND = (
    f"The robust accuracy in percent of {N} test images of Fashion-MNIST after so many queries a sample, by attacks "
    "that see labels alone. A query counts, whatever it is for, from the first on; the images that are answered wrong "
    "without an attack count as broken. All sides are judged by the same rule: the first query that is answered wrong "
    "and lies within the ball, in float64. `HSJA` and `RayS` are the authors' own files, with their defaults, and "
    "foolbox's HopSkipJump has its defaults, too. A row of ours holds if no figure of it is above the lowest of the "
    "others. `decision` is the default."
)


class EnoughError(Exception):
    """The end of an attack on one sample: it has found an input, or has asked its queries."""


@dataclass(slots=True)
class Judge:
    """The labels of a model for inputs near one, (1, *shape), until the first that is wrong within the ball."""

    model: nn.Module
    x: Tensor
    y: int
    threat: LpThreat
    budget: int  # queries
    asked: int = 0
    first: float = float("inf")  # the number of the query that was the first success

    def __call__(self, x: Tensor) -> Tensor:
        """Return the labels of x, (n, *shape); EnoughError once it is over."""
        wanted, x = len(x), x[: self.budget - self.asked].detach().float()
        labels: Tensor = self.model(x).argmax(1)
        fooled = (labels != self.y) & self.threat.admits(x, self.x.expand_as(x))
        if bool(fooled.any()):
            self.first = self.asked + 1 + int(fooled.nonzero()[0, 0])
            raise EnoughError
        if len(x) < wanted:
            raise EnoughError
        self.asked += len(x)
        return labels


Attacker = Callable[[Judge, Tensor, int, LpThreat], None]  # asks for the labels of inputs near one, (1, *shape)


def measure_theirs(subject: Subject, attack: Attacker, threat: LpThreat, at: Sequence[int] = AT) -> list[float]:
    """Return the robust accuracies in percent after so many queries, by an attack of one sample at a time."""
    first = []
    for k in range(len(subject.x)):
        x, y = subject.x[k : k + 1], int(subject.y[k])
        judge = Judge(subject.model, x, y, threat, at[-1])
        np.random.seed(SEED + k)
        with seeded(SEED + k), torch.no_grad(), suppress(EnoughError, AssertionError):
            attack(judge, x, y, threat)  # HSJA asserts that it has found a start
        first.append(judge.first)
    return _list_accuracies(torch.tensor(first), subject.n, at)


def measure_ours(subject: Subject, word: str, threat: LpThreat, at: Sequence[int] = AT) -> list[float]:
    """Return the same of an attack of ours."""
    outcome = assail(subject.model, make(f"{word}:steps={at[-1] - 2}"), subject.x, subject.y, threat, seed=SEED)
    first = torch.where(outcome.adversarial, outcome.cost.forwards.double(), torch.inf)
    return _list_accuracies(first, subject.n, at)


def _list_accuracies(first: Tensor, n: int, at: Sequence[int]) -> list[float]:
    return [100 * float((first > queries).sum()) / n for queries in at]


def list_theirs(originals: Path, norm: str) -> list[tuple[str, Attacker]]:
    """List the attacks of others for a norm, by name."""
    sys.path.insert(0, str(originals))
    sys.modules["pgbar"] = types.SimpleNamespace(progress_bar=lambda *_: None)  # type: ignore[assignment]
    torch.Tensor.cuda = lambda tensor, *_: tensor  # type: ignore[method-assign]  # RayS.py is for a GPU
    hsja, rays = importlib.import_module("hsja").hsja, importlib.import_module("RayS").RayS

    def run_hsja(answer: Judge, x: Tensor, y: int, threat: LpThreat) -> None:
        def predict(images: NDArray[Any]) -> NDArray[Any]:
            labels: NDArray[Any] = answer(torch.from_numpy(images.reshape(-1, *x.shape[1:]))).numpy()
            scores: NDArray[Any] = np.eye(10)[labels]
            return scores

        model = types.SimpleNamespace(predict=predict)
        hsja(model, x[0].numpy(), constraint=norm, num_iterations=64, verbose=False)

    def run_rays(answer: Judge, x: Tensor, y: int, threat: LpThreat) -> None:
        model = types.SimpleNamespace(predict_label=answer)
        rays(model, float(threat.eps))(x, torch.tensor([y]), query_limit=answer.budget)

    listed: list[tuple[str, Attacker]] = [("HSJA", run_hsja), ("foolbox", run_foolbox)]
    return [("RayS", run_rays), *listed] if norm == "linf" else listed


def run_foolbox(answer: Judge, x: Tensor, y: int, threat: LpThreat) -> None:
    """Attack one sample by foolbox's HopSkipJump."""
    import foolbox

    class Asked(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.one_hot(answer(x), 10).float()

    attack: Any = foolbox.attacks.HopSkipJumpAttack(constraint=threat.norm)
    with suppress(ValueError):  # it has found no start
        attack(foolbox.PyTorchModel(Asked().eval(), bounds=(0, 1)), x, torch.tensor([y]), epsilons=None)


def compare(name: str, text: str, originals: Path, n: int, at: Sequence[int]) -> list[list[str]]:
    """Return the rows of one network under one threat model, ours first; the first of these must hold."""
    network = next(case for case in read_cases(ROOT / "benchmarks/networks.toml") if case.name == name)
    subject, threat = network.subject(n, SEED), LpThreat.parse(text)
    ours = {f"`{word}`": measure_ours(subject, word, threat, at) for word in OURS[threat.norm]}
    peers = list_theirs(originals, threat.norm)
    theirs = {peer: measure_theirs(subject, attack, threat, at) for peer, attack in peers}
    best = np.min([*theirs.values()], 0)
    holds = {word: "yes" if bool((values <= best).all()) else "no" for word, values in ours.items()}
    return [
        [name, text, who, *(f"{value:.1f}" for value in values), holds.get(who, "")]
        for who, values in (ours | theirs).items()
    ]


def main() -> int:
    """Measure all, write the page, and return whether the default attack is above another anywhere."""
    parser = argparse.ArgumentParser()
    parser.add_argument("originals", type=Path, help="the folder with hsja.py and RayS.py")
    parser.add_argument("--samples", type=int, default=N)
    parser.add_argument("--queries", type=int, choices=AT, default=AT[-1], help="of a sample, at most")
    options = parser.parse_args()
    at = AT[: AT.index(options.queries) + 1]
    torch.set_num_threads(1)
    rows = []
    for name, text in CASES:
        rows += compare(name, text, options.originals, options.samples, at)
        sys.stdout.write("".join(f"{' '.join(row)}\n" for row in rows[-6:]))
        sys.stdout.flush()
    lines = table.markdown(("network", "threat", "attack", *map(str, at), "holds"), rows, words=3)
    OUT.write_text(table.page("Labels alone", LEGEND, lines, SEED, ("torch", "foolbox", "numpy")), "utf-8")
    return int(any(row[2] == f"`{OURS['l2'][0]}`" and row[-1] == "no" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
