"""`python -m benchmarks.pixels`: the suites, our attacks alone and other libraries' on a few pixels (l0), as a table.

It takes networks of benchmarks/networks.toml, or FILE.safetensors of the network of examples/fashion_mnist.py. A peer's
input counts if it is wrong and changes few enough pixels, as ours; foolbox is left out where it is not installed.
torchattacks' SparseFool is left out: on some images its loop does not end. After each peer `standard-1` is run again,
until it leaves as few samples as the peer did: what that takes stands in the peer's row. Seconds are processor time.
"""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import table
from benchmarks.subjects import ROOT, draw_images, network
from robust.attacks import PixelThreat, assail, make
from robust.attacks.fast_copy import FastCopy
from robust.attacks.suite import read_suite
from robust.attacks.task import Counted
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.suite_run import SuiteProgress, SuiteRun, Watch
from robust.models.format import Terms
from robust.models.load import load
from robust.models.spec import ModelSpec

SUITES = ("quick-1", "standard-1")
ALONE = ("sparse-rs:steps=5000", "spgd:steps=1667", "sigma-zero:steps=1667")  # 5,000 passes each
SEED = 0
HEADS = ("network", "clean", "pixels", "attack", "robust", "passes", "seconds", "ours, passes", "ours, seconds")
Peer = Callable[[nn.Module, Tensor, Tensor], Tensor]  # (model, x, y) -> x_adv


@dataclass(frozen=True, slots=True)
class Subject:
    """A network and images that it answers right, of `n` that were drawn."""

    name: str
    model: nn.Module
    x: Tensor
    y: Tensor

    @classmethod
    def of(cls, name: str, n: int) -> "Subject":
        x, y = draw_images(n, SEED)
        if name.endswith(".safetensors"):
            terms = Terms((1, 28, 28), 10)
            spec = ModelSpec.parse(name, Path())
            model = load(spec, "examples/fashion_mnist.py:make", ROOT, terms).module.eval().requires_grad_(False)
        else:
            model = network(name)
        right = model(x).argmax(1) == y
        return cls(Path(name).stem, model, x[right], y[right])


def run_suite(
    name: str,
    subject: Subject,
    threat: PixelThreat,
    asked: FastCopy | None = None,
    watch: Watch = lambda progress: None,
) -> tuple[int, int]:
    """Return (samples that are left, passes of all samples; a backward pass counts as two)."""
    samples = Samples(subject.x.numpy(), subject.y.numpy(), np.arange(len(subject.y)))
    terms = subject.model, samples, read_suite(name, Path()), threat, 10, RunOptions(Batcher(len(samples)), SEED)
    found = SuiteRun(*terms, fast_copy=asked, watch=watch).run(np.ones(len(subject.y), bool))
    return int((~found.adversarial).sum()), found.forwards + 2 * found.backwards


class Watched(FastCopy):
    """A model whose passes are `counted`; `asked` is how many samples were sent the last time: those that are left."""

    def __init__(self, model: nn.Module, counted: Counted) -> None:
        super().__init__(model, counted, ())
        self.asked = sys.maxsize

    def forward(self, x: Tensor) -> Tensor:
        self.asked = len(x)
        return super().forward(x)


class Reached(Exception):  # noqa: N818 - it is no error
    """The end of a run: as few samples are left as were asked for."""


def reach(left: int, subject: Subject, threat: PixelThreat) -> tuple[str, str]:
    """Return what `standard-1` takes until so few samples are left, as (passes, seconds of the processor); or dashes.

    It attacks all samples in one batch, and each step asks for those that have not fallen.
    """
    counted = Counted(subject.model)
    watched = Watched(subject.model, counted)

    def watch(progress: SuiteProgress) -> None:
        if min(watched.asked, progress.robust) <= left:
            raise Reached

    begun = time.process_time()
    try:
        found, _ = run_suite("standard-1", subject, threat, watched, watch)
    except Reached:
        found = left
    seconds = time.process_time() - begun
    return (f"{counted.forwards + 2 * counted.backwards:,}", f"{seconds:.1f}") if found <= left else ("-", "-")


def run_alone(text: str, subject: Subject, threat: PixelThreat) -> tuple[int, int]:
    """Return the same of one of our attacks."""
    found = assail(subject.model, make(text), subject.x, subject.y, threat, seed=SEED)
    return int((~found.adversarial).sum()), int(found.cost.forwards.sum() + 2 * found.cost.backwards.sum())


def run_peer(attack: Peer, subject: Subject, threat: PixelThreat) -> tuple[int, int]:
    """Return the same of another library's attack."""
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # from which Pixle and OnePixel draw
    counted = Counted(subject.model)
    x_adv = attack(counted, subject.x.clone(), subject.y).detach().clamp(0, 1)
    fallen = threat.admits(x_adv, subject.x) & (subject.model(x_adv).argmax(1) != subject.y)
    return int((~fallen).sum()), counted.forwards + 2 * counted.backwards


def list_peers(count: int) -> dict[str, Peer]:
    """Return the nearest relatives in other libraries, by name, set up for so many pixels."""
    from benchmarks.peers import torchattacks

    made: dict[str, dict[str, object]] = {
        "OnePixel": {"pixels": count, "steps": 75, "popsize": 66, "inf_batch": 66},
        "Pixle": {"x_dimensions": (1, 1), "y_dimensions": (1, 1), "restarts": count, "max_iterations": 1000 // count},
        "JSMA": {"theta": 1.0, "gamma": count / 784},
    }
    peers: dict[str, Peer]
    peers = {f"torchattacks {name}": partial(torchattacks.run, name, options) for name, options in made.items()}
    if find_spec("foolbox"):
        from benchmarks.peers import foolbox

        peers["foolbox L0FMN"] = foolbox.from_noise("L0FMNAttack", steps=500)
        peers["foolbox SaltAndPepper"] = foolbox.attacker("SaltAndPepperNoiseAttack", steps=1000, across_channels=True)
    return peers


def measure(subject: Subject, n: int, count: int, *, peers: bool) -> Iterator[list[str]]:
    """Yield the rows of a network and a number of pixels."""
    threat = PixelThreat(count)
    runs = {name: partial(run_suite, name) for name in SUITES} | {text: partial(run_alone, text) for text in ALONE}
    runs |= {name: partial(run_peer, attack) for name, attack in (list_peers(count) if peers else {}).items()}
    for name, run in runs.items():
        begun = time.process_time()
        left, passes = run(subject, threat)
        seconds = time.process_time() - begun
        ours = ("", "") if name in SUITES + ALONE else reach(left, subject, threat)
        figures = (f"{100 * left / n:.0f}", f"{passes:,}", f"{seconds:.1f}", *ours)
        row = [subject.name, f"{100 * len(subject.y) / n:.0f}", str(count), f"`{name}`", *figures]
        sys.stderr.write(f"{' '.join(row)}\n")
        yield row


def main() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=["standard", "pgd-at"])
    parser.add_argument("--pixels", type=int, nargs="+", default=[10])
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--no-peers", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    subjects = [Subject.of(name, args.n) for name in args.networks]
    rows = [
        row
        for subject in subjects
        for count in args.pixels
        for row in measure(subject, args.n, count, peers=not args.no_peers)
    ]
    sys.stdout.write("\n".join(table.markdown(HEADS, rows, words=4)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
