"""`make bench-bounds`: the brackets of published networks, and how the time of bounds grows with the network."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from benchmarks import table
from benchmarks.subjects import ROOT, Subject, draw_images
from examples.fashion_mnist import make as make_network
from robust.attacks import BestOf, LpThreat, assail, make
from robust.attacks.suite import read_suite
from robust.certification.certify import Certifier
from robust.certification.tensors import certify_samples
from robust.certification.words import METHODS
from robust.evaluation.suite_run import narrow_threat

OUT = Path(__file__).parent / "bounds.md"
N, SEED, GROWTH_N = 100, 0, 5
NETWORKS = ("cnn-standard", "cnn-pgd-at", "cnn-trades", "cnn-ibp")
THREATS = ("linf:0.02", "linf:0.1", "l2:0.2")
SIZES: dict[str, Callable[[], nn.Module]] = {
    "3 layers of 100": lambda: perceptron(100, 3),
    "3 layers of 200": lambda: perceptron(200, 3),
    "3 layers of 400": lambda: perceptron(400, 3),
    "6 layers of 200": lambda: perceptron(200, 6),
    "2 convolutions, 8 and 16 channels": lambda: convolutional(8),
    "2 convolutions, 16 and 32 channels": lambda: convolutional(16),
    "2 convolutions, 32 and 64 channels": lambda: convolutional(32),
}
LEGEND = (
    f"The published networks on {N} test images of Fashion-MNIST. Robust is what `quick-1` leaves; a share is of all "
    "images, and that of a method is of what it proves alone or with the cheaper ones before it. Seconds are processor "
    "time of one thread for each image that is answered right. Below, seconds of random networks of growing size under "
    f"linf:0.02, the mean of {GROWTH_N} images."
)


def main() -> int:
    torch.set_num_threads(1)
    brackets = table.markdown(
        ("network", "threat", "clean %", "robust %", *(f"{name} %" for name in METHODS), "open %", "seconds"),
        (row for name in NETWORKS for row in _brackets(name)),
        words=2,
    )
    growth = table.markdown(("network", "values", *METHODS), _growth(), words=1)
    OUT.write_text(table.page("Bounds", LEGEND, [*brackets, "", *growth], SEED, ("torch",)), "utf-8")
    sys.stdout.write(OUT.read_text("utf-8"))
    return 0


def _brackets(name: str) -> Iterator[list[str]]:
    network = make_network().eval().requires_grad_(False)
    network.load_state_dict(load_file(ROOT / "leaderboard" / "weights" / f"{name}.safetensors"))
    subject = Subject.of(name, network, *draw_images(N, SEED, "fashion-mnist"))
    for text in THREATS:
        threat = LpThreat.parse(text)
        found = [certify_timed(subject, threat, method) for method in METHODS]
        shares = [100 * round(certified.sum().item()) / N for certified, _ in found]
        clean, robust = 100 * len(subject.y) / N, 100 * count_robust(subject, threat) / N
        seconds = " / ".join(f"{each:.3f}" for _, each in found)
        figures = [f"{each:.0f}" for each in (clean, robust, *shares, robust - shares[-1])]
        yield [name, text, *figures, seconds]


def certify_timed(subject: Subject, threat: LpThreat, method: str) -> tuple[torch.Tensor, float]:
    """Return (which samples are certified, (n,) float, processor seconds for each)."""
    began = time.process_time()
    certified = torch.from_numpy(certify_samples(subject.model, subject.x, subject.y, threat, method).certified)
    return certified.double(), (time.process_time() - began) / len(subject.y)


def count_robust(subject: Subject, threat: LpThreat) -> int:
    """Return how many samples quick-1 leaves."""
    stages = [stage for stage in read_suite("quick-1", ROOT).stages if narrow_threat(threat, stage) is not None]
    attack = BestOf(tuple(make(stage.attack) for stage in stages))
    return int((~assail(subject.model, attack, subject.x, subject.y, threat, seed=SEED).adversarial).sum())


def _growth() -> Iterator[list[str]]:
    x, _ = draw_images(GROWTH_N, SEED, "fashion-mnist")
    for name, build in SIZES.items():
        torch.manual_seed(SEED)
        network = build().eval()
        network.requires_grad_(False)
        certifier = Certifier.of(network, x[:1], LpThreat.parse("linf:0.02"))
        y = network(x).argmax(1)
        values = sum(math.prod(node.shape) for node in certifier.graph.nodes)
        yield [name, f"{values:,}", *(f"{_time(certifier, x, y, method):.3f}" for method in METHODS)]


def _time(certifier: Certifier, x: torch.Tensor, y: torch.Tensor, method: str) -> float:
    size = certifier.batch(method)
    began = time.process_time()
    for inputs, labels in zip(torch.split(x, size), torch.split(y, size), strict=True):
        certifier.bound(inputs, labels, method)
    return (time.process_time() - began) / len(x)


def perceptron(width: int, layers: int) -> nn.Module:
    """Return a random network of linear layers."""
    sizes = pairwise([784, *[width] * layers])
    parts = [part for a, b in sizes for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *parts, nn.Linear(width, 10))


def convolutional(channels: int) -> nn.Module:
    """Return a random network of two convolutions and two linear layers."""
    return nn.Sequential(
        nn.Conv2d(1, channels, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * channels * 49, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )


if __name__ == "__main__":
    sys.exit(main())
