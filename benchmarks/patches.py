"""The finds of each attack under a patch, on networks of Fashion-MNIST: the table of docs/patches.md.

python -m benchmarks.patches leaderboard/weights/cnn-standard.safetensors leaderboard/weights/cnn-pgd-at.safetensors
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.subjects import ROOT
from robust.attacks import PatchThreat, assail, make
from robust.attacks.zoo.universal_patch import UniversalPatch
from robust.data.factory import open_data
from robust.models.format import Terms
from robust.models.load import load
from robust.models.spec import ModelSpec

ARCH, SHAPE, CLASSES = "examples/fashion_mnist.py:make", (1, 28, 28), 10
SAMPLES = 500  # of the training split, to learn on
ATTACKS = (
    "noise",
    "fgsm",
    "pgd:loss=margin:steps=40",
    "apgd:loss=margin:steps=50",
    "lavan",
    "patch-rs",
    "patch-rs:restarts=3",
)


def main(argv: list[str] | None = None) -> int:
    """Print a line for each network and attack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", type=Path)
    parser.add_argument("-n", type=int, default=150)
    parser.add_argument("--threat", default="patch:5x5")
    options = parser.parse_args(argv)
    x, y = draw("test", options.n)
    for path in options.weights:
        model = load(ModelSpec.parse(str(path.resolve()), ROOT), ARCH, ROOT, Terms(SHAPE, CLASSES)).module
        model = model.eval().requires_grad_(False)
        threat, right = PatchThreat.parse(options.threat), int((model(x).argmax(1) == y).sum())
        sys.stdout.write(f"{path.stem}, {threat}, n = {len(x)}, clean {100 * right / len(x):.1f} %\n")
        every = torch.zeros(len(x), dtype=torch.bool)
        for attack in ATTACKS:
            began = time.monotonic()
            found = assail(model, make(attack), x, y, threat)
            every |= found.adversarial
            passes = found.cost.forwards + 2 * found.cost.backwards
            _print(attack, found.adversarial, float(passes.float().mean()), time.monotonic() - began)
        _print("all of these", every, 0.0, 0.0)
        _learn(model, x, y, PatchThreat.parse(f"{options.threat}:universal=true"))
    return 0


def draw(split: str, n: int) -> tuple[Tensor, Tensor]:
    """Return (x, y) of n samples of a split of Fashion-MNIST."""
    samples = open_data("fashion-mnist", ROOT).complete().load("train" if split == "train" else "test", n, 0)
    return torch.from_numpy(samples.x[:]), torch.from_numpy(samples.y)


def _learn(model: nn.Module, x: Tensor, y: Tensor, threat: PatchThreat) -> None:
    began = time.monotonic()
    shown = UniversalPatch().learn(model, *draw("train", SAMPLES), threat)
    (sticker,) = shown.stickers.values()
    passes = (sticker.forwards + 2 * sticker.backwards) / sticker.learnt_on
    found = assail(model, shown, x, y, threat).adversarial
    _print(f"universal-patch, {sticker.describe(SHAPE[-1])}", found, passes, time.monotonic() - began)


def _print(attack: str, adversarial: Tensor, passes: float, seconds: float) -> None:
    robust = 100 * float((~adversarial).float().mean())
    sys.stdout.write(f"  {attack:30} robust {robust:5.1f} %, {passes:6.0f} passes a sample, {seconds:5.1f} s\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
