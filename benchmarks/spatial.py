"""`make bench-spatial`: networks under turned and moved images, beside Foolbox's SpatialAttack: writes spatial.md.

The third network was trained on seed 0 by `robust train --data=fashion-mnist --threat=spatial:rotate=30:translate=3
--recipe=pgd-at:batch=128:epochs=6`.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import table
from benchmarks.peers.foolbox import attacker
from benchmarks.subjects import ROOT, Subject, draw_images
from robust.attacks import SpatialThreat, assail, make
from robust.models.format import Terms
from robust.models.load import load
from robust.models.spec import ModelSpec

OUT = Path(__file__).parent / "spatial.md"
N, SEED, BATCH = 100, 0, 100
ARCH = "examples/fashion_mnist.py:make"
NETWORKS = {
    "standard": "leaderboard/weights/cnn-standard.safetensors",
    "pgd-at+ema, linf:0.1": "leaderboard/weights/cnn-pgd-at-ema.safetensors",
    "pgd-at, spatial:rotate=30:translate=3": "benchmarks/models/spatial-pgd-at.safetensors",
}
LIMITS = ((10, 1), (30, 3))  # degrees, pixels
OURS = (
    "grid:steps=775",
    "worstof:steps=775",
    "pgd:last=0.01:loss=margin:starts=10:steps=25:stride=0.5",
)
THEIRS = {  # of Foolbox, of as many transforms
    "grid of 31 x 5 x 5": {"num_rotations": 31, "num_translations": 5, "grid_search": True},
    "775 random": {"grid_search": False, "random_steps": 775},
}
HEADS = ("network", "threat model", "clean", "attack", "robust", "passes", "seconds")
LEGEND = (
    f"{N} test images of Fashion-MNIST. Robust are the images, in percent, that are answered right whatever the attack "
    "finds; lower is stronger. Passes are those of an image that is answered right without an attack, a backward one "
    "counted as two: our attacks drop an image once it has fallen, Foolbox's asks for each transform of all images "
    "until the last one falls. It moves an image before it turns it, and by 27/28 of the pixels, so that its images "
    "are not quite those of our grid. Seconds are processor time."
)

Attack = Callable[[Tensor, Tensor], tuple[Tensor, float]]  # (x, y) -> (whether each fell (n,), passes of an image)


def main() -> int:
    torch.set_num_threads(1)
    rows = [row for name in NETWORKS for degrees, pixels in LIMITS for row in _measure(name, degrees, pixels)]
    lines = table.markdown(HEADS, rows, words=4)
    OUT.write_text(table.page("Turned and moved images", LEGEND, lines, SEED, ("torch", "foolbox")), "utf-8")
    sys.stdout.write(OUT.read_text("utf-8"))
    return 0


def _measure(name: str, degrees: int, pixels: int) -> Iterator[list[str]]:
    """Yield a row for each attack on a network."""
    terms = Terms((1, 28, 28), 10)
    model = load(ModelSpec.parse(str(ROOT / NETWORKS[name]), ROOT), ARCH, ROOT, terms).module.eval()
    subject = Subject.of(name, model.requires_grad_(False), *draw_images(N, SEED))
    threat = SpatialThreat.parse(f"spatial:rotate={degrees}:translate={pixels}")
    attacks = {attack: _ours(subject, attack, threat) for attack in OURS}
    attacks |= {f"Foolbox, {title}": _theirs(subject, title, degrees, pixels) for title in THEIRS}
    for title, attack in attacks.items():
        began = time.process_time()
        parts = [attack(subject.x[k : k + BATCH], subject.y[k : k + BATCH]) for k in range(0, len(subject.x), BATCH)]
        seconds, left = time.process_time() - began, len(subject.x) - sum(int(fell.sum()) for fell, _ in parts)
        passes = sum(spent * len(fell) for fell, spent in parts) / len(subject.x)
        clean = f"{100 * len(subject.x) / N:.1f}"
        sys.stderr.write(f"{name}, {threat}, {title}: {left}\n")
        yield [name, str(threat), clean, title, f"{100 * left / N:.1f}", f"{passes:.0f}", f"{seconds:.1f}"]


def _ours(subject: Subject, attack: str, threat: SpatialThreat) -> Attack:
    def run(x: Tensor, y: Tensor) -> tuple[Tensor, float]:
        found = assail(subject.model, make(attack), x, y, threat, seed=SEED)
        spent = found.cost.forwards + 2 * found.cost.backwards
        return found.adversarial, float(spent.double().mean())

    return run


def _theirs(subject: Subject, title: str, degrees: int, pixels: int) -> Attack:
    attack = attacker("SpatialAttack", max_rotation=degrees, max_translation=pixels, **THEIRS[title])

    def run(x: Tensor, y: Tensor) -> tuple[Tensor, float]:
        np.random.seed(SEED)  # from which it draws
        calls = [0]
        hook = subject.model.register_forward_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
        with torch.no_grad():
            x_adv = attack(subject.model, x, y)
            hook.remove()
            return subject.model(x_adv).argmax(1) != y, float(calls[0])

    return run


if __name__ == "__main__":
    sys.exit(main())
