"""`make bench-search`: the time that a cheaper copy of a model saves in suites, and its effect on the figures."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import table
from benchmarks.subjects import draw_images, network
from benchmarks.timing import CLOCK
from robust.attacks.engine import eval_mode
from robust.attacks.fast_copy import FastCopy, make_fast_copy
from robust.attacks.suite import read_suite
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_clean
from robust.evaluation.suite_run import SuiteRun
from robust.models.format import Terms
from robust.models.load import get_builder
from robust.models.spec import ModelSpec

OUT = Path(__file__).parent / "search.md"
ROUNDS, SEED = 9, 0
NETS = (  # (word, shape of an input, inputs at once)
    ("zoo:cnn", (1, 28, 28), 250),
    ("zoo:preactresnet18(width=16)", (3, 32, 32), 64),
    ("zoo:vit", (3, 32, 32), 64),
    ("torchvision:resnet18", (3, 32, 32), 64),
    ("torchvision:resnet18", (3, 224, 224), 8),
    ("torchvision:mobilenet_v3_small", (3, 64, 64), 64),
)
WAYS = (("channels-last",), ("fold",), ("channels-last", "fold"), ("bf16",), ("channels-last", "bf16"))
SUBJECT, THREAT, N = "pgd-at", "linf:0.1", 500
LEGEND = (
    "The column exact is the processor time in milliseconds for one gradient of a batch, as the median of "
    f"{ROUNDS} alternating rounds. The other columns are the speed-up of the copy; n/a means that the network cannot "
    "be traced. The weights are random: they do not change the time. The second table is standard-1 on "
    f"{N} test images of Fashion-MNIST, with the model {SUBJECT} under {THREAT}."
)


def main() -> int:
    torch.set_num_threads(1)
    rows = [_row(*net) for net in NETS]
    heads = ("network", "input", "batch", "exact", *(", ".join(ways) for ways in WAYS))
    lines = [*table.markdown(heads, rows, words=2), "", *_whole()]
    OUT.write_text(table.page("Cheaper model calls", LEGEND, lines, SEED, ("torch",)), "utf-8")
    sys.stdout.write(OUT.read_text("utf-8"))
    return 0


def _row(word: str, shape: tuple[int, ...], batch: int) -> list[str]:
    torch.manual_seed(SEED)
    module = get_builder(ModelSpec.parse(word, Path()), None, Path(), Terms(shape, 10))().eval()
    x = torch.rand(batch, *shape)
    copies = [_copy(module, ways, x) for ways in WAYS]
    exact, *quick = _milliseconds([module, *copies], x)
    assert exact
    ratios = ("n/a" if each is None else f"{exact / each:.2f}" for each in quick)
    return [f"`{word}`", " x ".join(map(str, shape)), str(batch), f"{exact:.1f}", *ratios]


def _copy(module: nn.Module, ways: Sequence[str], x: Tensor) -> FastCopy | None:
    try:
        return make_fast_copy(module, ways, x)
    except ValueError:
        return None


def _milliseconds(modules: Sequence[nn.Module | None], x: Tensor) -> list[float | None]:
    """Return the milliseconds of a gradient for each model, in turns; the first turn, a warm-up, does not count."""
    seconds: list[list[float]] = [[] for _ in modules]
    for _ in range(1 + ROUNDS):
        for module, times in zip(modules, seconds, strict=True):
            if module is not None:
                begun = CLOCK()
                _gradient(module, x)
                times.append(CLOCK() - begun)
    return [1000 * median(times[1:]) if times else None for times in seconds]


def _gradient(module: nn.Module, x: Tensor) -> None:
    with eval_mode(module):
        x = x.clone().requires_grad_()
        torch.autograd.grad(module(x).logsumexp(1).sum(), x)


def _whole() -> list[str]:
    """Return the table of standard-1 with each kind of copy: robust accuracy and time."""
    x, y = draw_images(N, SEED, "fashion-mnist")
    module, samples = network(SUBJECT), Samples(x.numpy(), y.numpy(), np.arange(N))
    batcher = Batcher(250)
    correct = measure_clean(module, samples, batcher=batcher).correct
    plain = SuiteRun(module, samples, read_suite("standard-1", Path()), read_threat(THREAT), 10, RunOptions(batcher))
    rows = []
    for ways in ((), *WAYS):
        begun = CLOCK()
        found = replace(plain, fast_copy=make_fast_copy(module, ways, x[:64]) if ways else None).run(correct)
        seconds, robust = CLOCK() - begun, int((correct & ~found.adversarial).sum())
        rows.append([", ".join(ways) or "exact", f"{100 * robust / N:.1f}", f"{seconds:.1f}"])
    return table.markdown(("asked", "robust %", "seconds"), rows, words=1)


if __name__ == "__main__":
    sys.exit(main())
