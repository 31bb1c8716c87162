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
from benchmarks.duel import Attacker, adversarial
from benchmarks.peers import foolbox, torchattacks
from benchmarks.subjects import draw_images, network
from benchmarks.timing import in_turns, peak_bytes
from robust.attacks import PGD, LpThreat, Task, assail
from robust.attacks.rng import Rng, seeded
from robust.attacks.task import Counted
from robust.attacks.zoo.pgd import PGDState

PAGE = Path(__file__).parent / "speed.md"
PACKAGES = ("torch", "torchattacks", "foolbox")
HEADS = ("what", "model", "against", "ours", "theirs", "ratio", "bound", "robust %", "gradients")
LEGEND = (
    "The attack is PGD in linf:0.1 with a constant step of eps/4, from a random start, on 1,000 images. Seconds are "
    "processor time, as medians of alternating runs; the ratio is the median of the ratios of the rounds. Robust "
    "accuracy and gradients per image are ours / theirs. Memory is the maximum that tensors held at once, from the "
    "allocator's events in torch's profiler."
)
N, SEED, STRIDE = 1000, 0, 0.25
ROUNDS = {40: 3, 200: 2}  # of each number of steps
BALL = LpThreat.parse("linf:0.1")
SLACK_POINTS = 0.3  # how much higher our robust accuracy may be
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


class Measured:
    """An attack on the images of the seed, to be called, and the result of the last call."""

    def __init__(self, attack: Attacker, name: str) -> None:
        self.attack, self.model = attack, network(name)
        self.x, self.y = draw_images(N, SEED)

    def __call__(self) -> None:
        self.counted = Counted(self.model)
        with seeded(SEED):
            self.x_adv = self.attack(self.counted, self.x, self.y).detach()

    @property
    def robust(self) -> float:
        """The robust accuracy in percent."""
        with torch.no_grad():
            right = self.model(self.x).argmax(1) == self.y
        return 100 * int((right & ~adversarial(self.model, self.x_adv, self.x, self.y, BALL)).sum()) / N

    @property
    def gradients(self) -> float:
        return self.counted.backwards / N


@pytest.fixture(scope="module")
def rows() -> Iterator[list[list[str]]]:
    """Yield a list for the lines of the table; if all tests ran, write the page."""
    found: list[list[str]] = []
    yield found
    if len(found) == len(MOST_TIME) * 2 + 2:
        PAGE.write_text(table.page("Speed", LEGEND, table.markdown(HEADS, found, words=3), SEED, PACKAGES), "utf-8")


@pytest.mark.parametrize("peer", ["torchattacks", "foolbox"])
@pytest.mark.parametrize(("name", "steps"), MOST_TIME)
def test_pgd(benchmark: Any, rows: list[list[str]], name: str, steps: int, peer: str) -> None:
    own, other = Measured(ours(steps), name), Measured(theirs(peer, steps), name)
    ratio = in_turns(benchmark, own, other, ROUNDS[steps])

    robust, most = (own.robust, other.robust), MOST_TIME[name, steps]
    seconds = f"{ratio.ours:.2f} s", f"{ratio.theirs:.2f} s", f"{ratio.times:.2f}", f"{most:.2f}"
    pairs = f"{robust[0]:.1f} / {robust[1]:.1f}", f"{own.gradients:.1f} / {other.gradients:.1f}"
    rows.append([f"PGD, {steps} steps", name, peer, *seconds, *pairs])
    benchmark.group = f"{name}, {steps} steps"
    benchmark.extra_info["robust"], benchmark.extra_info["gradients"] = robust, (own.gradients, other.gradients)
    assert robust[0] <= robust[1] + SLACK_POINTS
    assert ratio.times <= most


@dataclass(frozen=True, slots=True)
class Tireless:
    """PGD that drops no samples in cycles, so that the batch stays full."""

    pgd: PGD

    @property
    def steps(self) -> int:
        return self.pgd.steps

    def init(self, task: Task) -> PGDState:
        return self.pgd.init(task)

    def step(self, task: Task, state: PGDState, k: int) -> PGDState:
        return self.pgd.step(task, state, k)._replace(done=None)


def hard(steps: int) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """Return (model, x, y, index): a batch of N samples that stay robust under PGD."""
    model, (x, y) = network("pgd-at"), draw_images(N, SEED)
    (index,) = (~assail(model, PGD(steps, STRIDE), x, y, BALL, seed=SEED).adversarial).nonzero(as_tuple=True)
    index = index.repeat(N // len(index) + 1)[:N]
    return model, x[index], y[index], index


def bare(model: nn.Module, x: Tensor, y: Tensor, steps: int) -> None:
    """Call the model as `steps` steps do, and do nothing else."""
    for _ in range(steps):
        leaf = x.detach().requires_grad_()
        torch.autograd.grad(F.cross_entropy(model(leaf), y, reduction="sum"), leaf)
    with torch.no_grad():
        model(x)


def test_a_step_costs_little_more_than_its_gradient(benchmark: Any, rows: list[list[str]]) -> None:
    steps, rounds = 24, 7  # short runs in many turns: a busy moment hurts one of them
    attack = Tireless(PGD(steps, STRIDE))
    model, x, y, index = hard(steps)
    counted = Counted(model)
    own = partial(assail, counted, attack, x, y, BALL, seed=Rng.of(SEED, index))
    own()
    assert counted.backwards >= 0.999 * N * steps  # rounding in another batch may make a sample adversarial

    ratio = in_turns(benchmark, own, partial(bare, model, x, y, steps), rounds)

    each = (f"{1000 * seconds / steps:.1f} ms" for seconds in (ratio.ours, ratio.theirs))
    what = "a PGD step, batch full", "pgd-at", "forward and input gradient"
    rows.append([*what, *each, f"{ratio.times:.3f}", f"{MOST_STEP:.2f}", "", ""])
    assert ratio.times <= MOST_STEP


def test_memory(rows: list[list[str]]) -> None:
    peaks = [peak_bytes(Measured(attack, "pgd-at")) for attack in (ours(10), theirs("torchattacks", 10))]
    ratio = peaks[0] / peaks[1]
    each = (f"{peak / 2**20:.1f} MiB" for peak in peaks)
    rows.append(["peak memory", "pgd-at", "torchattacks", *each, f"{ratio:.2f}", f"{MOST_MEMORY:.2f}", "", ""])
    assert ratio <= MOST_MEMORY
