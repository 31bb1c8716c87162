"""`make bench-large`: suites on 1,000 classes and inputs of 3 x 224 x 224: time and memory, and what they consist of.

One network is trained for some minutes on composites of clothes, digits and photographs, the other has random weights.
Their own answers are the labels: time is what is measured. Each suite runs in a process of its own, whose memory is
the system's account of it.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import table
from benchmarks.data import numbers
from benchmarks.duel import adversarial, spend, suite_attacker
from benchmarks.subjects import Subject
from benchmarks.timing import CLOCK
from robust.attacks import LpThreat
from robust.models.format import Terms
from robust.models.load import get_builder
from robust.models.spec import ModelSpec

OUT, KEPT = Path(__file__).parent / "large.md", Path(__file__).parent.parent / ".robust/benchmarks"
SEED, N, CLASSES, SIDE = 0, 16, 1000, 224
NETWORKS = {"trained": "torchvision:mobilenet_v3_small", "random": "torchvision:resnet18"}
THREATS = {"trained": ("linf:0.05/255",), "random": ("linf:0.5/255",)}
SUITES = ("quick-1", "standard-1")
HALF, STEPS, BATCH, RATE = 112, 400, 64, 2e-3  # training on pictures of half the size, which costs a quarter
FINE = 30  # steps on those of full size at the end
LEGEND = (
    f"{N} images, {CLASSES} classes, inputs of 3 x {SIDE} x {SIDE}, one thread. The first network was trained for some "
    "minutes, in which it learns little, and the second has random weights; their own answers are the labels. "
    "Robust % is that of these images. Forwards, backwards and seconds of processor time are per image. Own passes "
    "is the share of the time that the network's passes alone take, at their pace in a batch of all. Memory is what "
    "the process took more at most than with the network, the images and a gradient of one of them."
)


def main(argv: list[str] | None = None) -> int:
    """Measure all and write the page; with the words of a row, measure it and write its figures."""
    parser = argparse.ArgumentParser(prog="benchmarks.large", description=__doc__)
    parser.add_argument("row", nargs="*", metavar="WORD", help="network, threat model and suite of one row")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    if args.row:
        sys.stdout.write(json.dumps(_measure(*args.row)) + "\n")
        return 0
    _train()
    rows = []
    for name, word in NETWORKS.items():
        for threat in THREATS[name]:
            for suite in SUITES:
                rows.append([f"`{word}`, {name}", threat, f"`{suite}`", *_show(_run(name, threat, suite))])
                sys.stdout.write(" | ".join(rows[-1]) + "\n")
                sys.stdout.flush()
    heads = ("network", "threat", "suite", "robust %", "forwards", "backwards", "seconds", "own passes", "memory")
    lines = table.markdown(heads, rows, words=3)
    OUT.write_text(table.page("Many classes, large inputs", LEGEND, lines, SEED, ("torch", "torchvision")), "utf-8")
    return 0


def _run(name: str, threat: str, suite: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.large", name, threat, suite]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _show(found: dict[str, float]) -> list[str]:
    passes = [f"{found[key]:.0f}" for key in ("forwards", "backwards")]
    shares = [f"{100 * found['own']:.0f} %", f"{found['memory'] / 2**20:.0f} MiB"]
    return [f"{found['robust']:.1f}", *passes, f"{found['seconds']:.1f}", *shares]


def _measure(name: str, text: str, suite: str) -> dict[str, float]:
    """Return the figures of a suite on a network."""
    on, threat = _subject(name), LpThreat.parse(text)
    paces = _time_passes(on)
    before = _peak()
    effort = spend(suite_attacker(suite, threat, SEED), on, SEED)
    memory, n = _peak() - before, len(on.x)
    robust = ~adversarial(on.model, effort.x_adv, on.x, on.y, threat)
    own = effort.backwards * paces[1] + (effort.forwards - effort.backwards) * paces[0]
    return {
        "robust": 100 * float(robust.float().mean()),
        "forwards": effort.forwards / n,
        "backwards": effort.backwards / n,
        "seconds": effort.seconds / n,
        "own": own / effort.seconds,
        "memory": memory,
    }


def _peak() -> int:
    """Return the most bytes that this process has taken so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _time_passes(on: Subject) -> tuple[float, float]:
    """Return the seconds of a sample's forward pass, and of one with its backward pass, the least of three."""
    forward, both = [], []
    with torch.no_grad():
        for _ in range(3):
            begun = CLOCK()
            on.model(on.x)
            forward.append(CLOCK() - begun)
    for _ in range(3):
        begun = CLOCK()
        _gradient(on.model, on.x, on.y)
        both.append(CLOCK() - begun)
    return min(forward) / len(on.x), min(both) / len(on.x)


def _gradient(model: nn.Module, x: Tensor, y: Tensor) -> None:
    x = x.clone().requires_grad_()
    torch.autograd.grad(nn.functional.cross_entropy(model(x), y), x)


def _subject(name: str) -> Subject:
    """Return a network with images, of which its own answers are the labels."""
    module, (x, _) = _build(name), _images("test", SIDE, 0, N)
    if name == "trained":
        module.load_state_dict(torch.load(KEPT / f"{name}.pt", weights_only=True))
    with torch.no_grad():
        return Subject(name, module, x, module(x).argmax(1), N)


def _build(name: str) -> nn.Module:
    torch.manual_seed(SEED)
    spec = ModelSpec.parse(NETWORKS[name], Path())
    module: nn.Module = get_builder(spec, None, Path(), Terms((3, SIDE, SIDE), CLASSES))()
    return module.eval().requires_grad_(False)


def _images(split: Any, side: int, start: int, n: int) -> tuple[Tensor, Tensor]:
    """Return composites of 56 x 56 pixels, each of which is repeated up to the side."""
    x, y = numbers(split, start, n)
    return torch.from_numpy(np.repeat(np.repeat(x, side // 56, 2), side // 56, 3)), torch.from_numpy(y)


def _train() -> None:
    """Train the network for some minutes, if it is not kept."""
    path = KEPT / "trained.pt"
    if path.exists():
        return
    begun, module = time.monotonic(), _build("trained").train().requires_grad_(True)
    optimiser = torch.optim.AdamW(module.parameters(), RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS + FINE)
    for step in range(STEPS + FINE):
        x, y = _images("train", HALF if step < STEPS else SIDE, step * BATCH, BATCH)
        optimiser.zero_grad()
        loss = _loss(module(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            sys.stdout.write(f"step {step}, loss {loss.item():.2f}, {time.monotonic() - begun:.0f} s\n")
            sys.stdout.flush()
    _average_statistics(module)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(module.state_dict(), path)


def _average_statistics(module: nn.Module) -> None:
    """Make the statistics of batch norm those of images of full size, after the last step."""
    for norm in (each for each in module.modules() if isinstance(each, nn.BatchNorm2d)):
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
    with torch.no_grad():
        for k in range(FINE):
            module(_images("train", SIDE, k * BATCH, BATCH)[0])


def _loss(logits: Tensor, y: Tensor) -> Tensor:
    """Return the cross-entropy of the classes, and of the three digits of their numbers, which are learnt sooner."""
    loss, by_digit = nn.functional.cross_entropy(logits, y), logits.view(-1, 10, 10, 10)
    for k, dims in enumerate(((2, 3), (1, 3), (1, 2))):
        loss = loss + nn.functional.cross_entropy(by_digit.logsumexp(dims), y // 10 ** (2 - k) % 10)
    return loss


if __name__ == "__main__":
    sys.exit(main())
