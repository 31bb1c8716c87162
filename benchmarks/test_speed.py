"""`make bench-speed`: constant-step PGD beside torchattacks' and foolbox's, in one process and in turns."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import table
from benchmarks.duel import Attacker, Counted, fallen
from benchmarks.peers import foolbox, torchattacks
from benchmarks.subjects import Subject, subject
from benchmarks.timing import in_turns, peak_bytes
from robust.attacks import PGD, LpThreat, Task, assail
from robust.attacks.zoo.pgd import Walk

PAGE = Path(__file__).parent / "speed.md"
PACKAGES = ("torch", "torchattacks", "foolbox")
HEADS = ("what", "model", "against", "ours", "theirs", "ratio", "bound", "robust %", "gradients")
LEGEND = (
    "Constant-step PGD in linf:0.1, a step of eps/4, from a random start, on what the model answers right of 1,000 "
    "pictures. Seconds are medians of runs in turns, the ratio is the median of the rounds' own. Robust accuracy, of "
    "all 1,000, and gradients for each picture attacked are ours / theirs. Memory is the most that tensors held at "
    "once, from the allocator's events in torch's profiler."
)
N, SEED, STRIDE = 1000, 0, 0.25
ROUNDS = {40: 5, 200: 3}
BALL = LpThreat.parse("linf:0.1")
SLACK_POINTS = 0.3  # how far robust accuracies may be apart
MOST_STEP, MOST_MEMORY = 1.08, 1.1
MOST_TIME = {("pgd-at", 40): 0.6, ("pgd-at", 200): 0.2, ("standard", 40): 0.2, ("standard", 200): 0.2}


def ours(steps: int) -> Attacker:
    attack = PGD(steps, STRIDE)
    return lambda model, x, y: assail(model, attack, x, y, BALL, seed=SEED).x_adv


def theirs(peer: str, steps: int) -> Attacker:
    eps = float(BALL.eps)
    if peer == "torchattacks":
        return torchattacks.pgd(eps, steps, STRIDE)
    return foolbox.attacker("LinfPGD", eps, steps=steps, rel_stepsize=STRIDE)


def measured(attack: Attacker, on: Subject) -> tuple[float, float]:
    """(robust accuracy in percent of all n, gradients a picture)."""
    counted = Counted(on.model)
    x_adv = attack(counted, on.x, on.y)
    standing = int((~fallen(on.model, x_adv, on.x, on.y, BALL)).sum())
    return 100 * standing / on.n, counted.backwards / len(on.x)


@pytest.fixture(scope="module")
def rows() -> Iterator[list[list[str]]]:
    """What the tests found; all of them together make the page."""
    found: list[list[str]] = []
    yield found
    if len(found) == len(MOST_TIME) * 2 + 2:
        PAGE.write_text(table.page("Speed", LEGEND, table.markdown(HEADS, found, words=3), SEED, PACKAGES), "utf-8")


@pytest.mark.parametrize("peer", ["torchattacks", "foolbox"])
@pytest.mark.parametrize(("name", "steps"), MOST_TIME)
def test_pgd(benchmark: Any, rows: list[list[str]], name: str, steps: int, peer: str) -> None:
    on, mine, other = subject(name, N, SEED), ours(steps), theirs(peer, steps)
    benchmark.group = f"{name}, {steps} steps"
    found = measured(mine, on), measured(other, on)  # which also warms both up
    benchmark.extra_info["robust"], benchmark.extra_info["gradients"] = zip(*found, strict=True)

    run_ours, run_theirs = (partial(attack, on.model, on.x, on.y) for attack in (mine, other))
    ratio = in_turns(benchmark, run_ours, run_theirs, ROUNDS[steps])

    most = MOST_TIME[name, steps]
    seconds = f"{ratio.ours:.2f} s", f"{ratio.theirs:.2f} s", f"{ratio.times:.2f}", f"{most:.2f}"
    pairs = (" / ".join(f"{value:.1f}" for value in pair) for pair in zip(*found, strict=True))
    rows.append([f"PGD, {steps} steps", name, peer, *seconds, *pairs])
    assert abs(found[0][0] - found[1][0]) <= SLACK_POINTS
    assert ratio.times <= most


@dataclass(frozen=True, slots=True)
class Tireless:
    """PGD that leaves no cycle, so that the batch stays full."""

    pgd: PGD

    @property
    def steps(self) -> int:
        return self.pgd.steps

    def init(self, task: Task) -> Walk:
        return self.pgd.init(task)

    def step(self, task: Task, state: Walk, k: int) -> Walk:
        walk = self.pgd.step(task, state, k)
        return walk._replace(done=torch.zeros_like(walk.done))


def hard(on: Subject, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """(x, y, index) of a batch of N that PGD breaks none of, made of those that it did not break."""
    outcome = assail(on.model, PGD(steps, STRIDE), on.x, on.y, BALL, seed=SEED)
    (index,) = (~outcome.fallen).nonzero(as_tuple=True)
    index = index.repeat(N // len(index) + 1)[:N]
    return on.x[index], on.y[index], index


def bare(model: nn.Module, x: Tensor, y: Tensor, steps: int) -> None:
    """What `steps` steps ask of the model, and nothing else."""
    for _ in range(steps):
        leaf = x.detach().requires_grad_()
        torch.autograd.grad(F.cross_entropy(model(leaf), y, reduction="sum"), leaf)
    with torch.no_grad():
        model(x)


def test_a_step_costs_little_more_than_its_gradient(benchmark: Any, rows: list[list[str]]) -> None:
    steps = 40
    on, attack = subject("pgd-at", N, SEED), Tireless(PGD(steps, STRIDE))
    x, y, index = hard(on, steps)
    counted = Counted(on.model)
    assail(counted, attack, x, y, BALL, seed=SEED, index=index)
    assert counted.backwards >= 0.999 * N * steps  # a sample may fall that another batch's rounding saved

    mine = partial(assail, on.model, attack, x, y, BALL, seed=SEED, index=index)
    ratio = in_turns(benchmark, mine, partial(bare, on.model, x, y, steps), ROUNDS[steps])

    each = [f"{1000 * seconds / steps:.1f} ms" for seconds in (ratio.ours, ratio.theirs)]
    what = "a PGD step, batch full", "pgd-at", "forward and input gradient"
    rows.append([*what, *each, f"{ratio.times:.3f}", f"{MOST_STEP:.2f}", "", ""])

    assert ratio.times <= MOST_STEP


def test_memory(rows: list[list[str]]) -> None:
    on = subject("pgd-at", N, SEED)
    sides = ours(10), theirs("torchattacks", 10)
    peaks = [peak_bytes(partial(attack, on.model, on.x, on.y)) for attack in sides]
    ratio = peaks[0] / peaks[1]
    each = [f"{peak / 2**20:.1f} MiB" for peak in peaks]
    rows.append(["peak memory", "pgd-at", "torchattacks", *each, f"{ratio:.2f}", f"{MOST_MEMORY:.2f}", "", ""])

    assert ratio <= MOST_MEMORY
