"""`make bench-gate`: the gate against a baseline, on a model that was made worse and on one that was only rewritten.

Twenty draws of 1,000 Fashion-MNIST test images, each with its own seed of the attack. Writes gate.md; the exit status
is 1 if a bound does not hold. It takes some minutes.
"""

import copy
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import nn

from benchmarks import table
from benchmarks.subjects import network
from robust.attacks import LpThreat
from robust.baseline.comparison import Comparison, Ruling
from robust.baseline.replay import find_hardest, replay_inputs
from robust.baseline.store import Saved
from robust.baseline.tolerance import Tolerance, read_tolerance
from robust.data.dataset import DATA, Dataset, Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import AttackResult, measure_attack, measure_clean
from robust.flags import Flags
from robust.report.ranks import ALPHA
from robust.stats import fisher

PAGE = Path(__file__).parent / "gate.md"
SEEDS, N, MODEL, ATTACK = 20, 1000, "pgd-at", "pgd"
THREAT, MARGIN = LpThreat.parse("linf:0.1"), read_tolerance("robust_acc:1pp")
NOISE, MORE = 0.075, 0.2  # of each tensor's deviation: the first costs about 3 points on held-out images
CAUGHT, PASSED, MISSED = 18, 20, 15  # of the seeds, what must hold
HEADS = ("change", "seed", "robust %", "points", "lost", "won", "McNemar p", "unpaired p", "gate")
HEADS_REPLAY = (*HEADS, "lost by replay", "to it only", "fails after", "replay s", "a few s", "all s")
LEGEND = (
    f"The model {MODEL} is compared with itself after a change, under `{ATTACK}` and {THREAT}, on {N:,} test images "
    f"that the seed draws, with {MARGIN}. Made worse and made much worse: noise of {NOISE:g} and {MORE:g} standard "
    "deviations is added to every weight. Rewritten: the channels of the first layer are in another order, and batches "
    "have another size, so that only the rounding differs. Unpaired is Fisher's exact test of the two figures. Lost by "
    "replay: the lost images for which an adversarial input of the baseline is adversarial again. To it only: those of "
    "them for which the attack found nothing. The gate fails after replay, after the attack on a few images, or after "
    "the attack on all. Seconds are processor time."
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One change on one draw of images."""

    change: str
    seed: int
    paired: Comparison
    unpaired: float  # p-value
    replay: Comparison  # what is known before any attack
    early: Comparison  # what is known after the attack on a few
    alone: int  # lost images that only replay finds
    seconds: tuple[float, float, float]  # of replay, of the attack on a few, of the attack on all

    @property
    def ruling(self) -> Ruling:
        return self.paired.ruling(MARGIN)

    @property
    def settled(self) -> str:
        """The stage after which the gate fails; "" if it does not."""
        when = {"replay": self.replay, "a few": self.early, "all": self.paired}
        return next((word for word, paired in when.items() if paired.ruling(MARGIN) == "fails"), "")

    @property
    def cells(self) -> list[str]:
        paired = self.paired
        before, after = (100 * flags.mean() for flags in (paired.before, paired.after))
        figures = [
            f"{before:.1f} to {after:.1f}",
            f"{paired.points:+.1f}",
            f"{paired.lost.sum()}",
            f"{paired.won.sum()}",
        ]
        ps = [f"{paired.p:.2g}", f"{self.unpaired:.2g}"]
        early = [self.settled]
        seconds = [f"{second:.1f}" for second in self.seconds]
        return [
            self.change,
            str(self.seed),
            *figures,
            *ps,
            self.ruling,
            f"{self.replay.lost.sum()}",
            f"{self.alone}",
            *early,
            *seconds,
        ]


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurement of a model on some images."""

    clean: Flags
    found: AttackResult
    seconds: float

    @property
    def robust(self) -> Flags:
        return self.clean & ~self.found.adversarial


def main() -> int:
    """Measure and write the page; return 1 if a bound does not hold."""
    data, model = DATA.get("fashion-mnist"), network(MODEL)
    assert isinstance(data, Dataset)
    changes = {
        "made worse": (worsen(model, NOISE), 250),
        "made much worse": (worsen(model, MORE), 250),
        "rewritten": (rewrite(model), 100),
    }
    rows = []
    for seed in range(SEEDS):
        samples, batcher = data.load("test", N, seed), Batcher(250)
        before = measure(model, samples, seed, batcher)
        kept = keep_inputs(model, samples, before, seed, batcher)
        for change, (module, batch) in changes.items():
            rows.append(compare(change, module, samples, seed, Batcher(batch), before, kept))
            sys.stdout.write(" | ".join(rows[-1].cells) + "\n")
    wrong = failures(rows)
    lines = [*table.markdown(HEADS_REPLAY, (row.cells for row in rows), words=1), "", *summarize(rows), *wrong]
    PAGE.write_text("\n".join(["# Gate", "", LEGEND, "", *lines, table.machine(("torch",)), ""]))
    sys.stdout.write("\n".join([*summarize(rows), *wrong, ""]))
    return bool(wrong)


def worsen(model: nn.Module, noise: float) -> nn.Module:
    """Return the model with noise on its weights."""
    found, rng = copy.deepcopy(model), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in found.parameters():
            weight.add_(noise * weight.std() * torch.randn(weight.shape, generator=rng))
    return found


def rewrite(model: nn.Module) -> nn.Module:
    """Return the model as the same function except for rounding."""
    found = copy.deepcopy(model)
    first, second = (layer for layer in found.modules() if isinstance(layer, nn.Conv2d))
    order = torch.randperm(first.out_channels, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first.weight.copy_(first.weight[order])
        assert first.bias is not None
        first.bias.copy_(first.bias[order])
        second.weight.copy_(second.weight[:, order])
    return found


def measure(module: nn.Module, samples: Samples, seed: int, batcher: Batcher) -> Measured:
    began = time.process_time()
    clean = measure_clean(module, samples, seed, batcher).correct
    found = measure_attack(module, samples, clean, ATTACK, THREAT, RunOptions(batcher, seed))
    return Measured(clean, found, time.process_time() - began)


def keep_inputs(module: nn.Module, samples: Samples, before: Measured, seed: int, batcher: Batcher) -> list[Saved]:
    """Return the inputs that a baseline keeps."""
    strongest = find_hardest(module, samples, before.robust, THREAT, seed, batcher)
    assert strongest is not None
    return [(before.found.x_adv, np.flatnonzero(before.found.adversarial)), strongest]


def compare(
    change: str, module: nn.Module, samples: Samples, seed: int, batcher: Batcher, before: Measured, kept: list[Saved]
) -> Compared:
    began = time.process_time()
    clean = measure_clean(module, samples, seed, batcher).correct
    replay = replay_inputs(module, samples, kept, THREAT, batcher)
    left, between = clean & ~replay.adversarial, time.process_time()
    early, rows = left.copy(), replay.first(before.robust, left)
    early[rows] &= measure(module, samples.take(rows), seed, batcher).robust
    seconds, after = (between - began, time.process_time() - between), measure(module, samples, seed, batcher)
    paired = Comparison(before.robust, after.robust & left)
    return Compared(
        change=change,
        seed=seed,
        paired=paired,
        unpaired=fisher(before.robust, paired.after),
        replay=Comparison(before.robust, left),
        early=Comparison(before.robust, early),
        alone=int((paired.lost & after.robust).sum()),
        seconds=(*seconds, after.seconds),
    )


def summarize(rows: list[Compared]) -> list[str]:
    """Return a line for each change."""
    lines = []
    for change in dict.fromkeys(row.change for row in rows):
        group = [row for row in rows if row.change == change]
        seconds = [fmean(row.seconds[k] for row in group) for k in range(3)]
        failed, unpaired = count(group, MARGIN), sum(row.unpaired < ALPHA for row in group)
        when = [sum(row.settled == word for row in group) for word in ("replay", "a few", "all")]
        lost, found, early = (sum(int(p.lost.sum()) for p in pairs) for pairs in pairs_of(group))
        lines += [
            f"**{change}**: {fmean(row.paired.points for row in group):+.2f} points. The gate fails {failed} of "
            f"{len(group)} draws: {when[0]} after replay, {when[1]} after the attack on a few, {when[2]} after that "
            f"on all; the unpaired test is significant for {unpaired}. Of {lost} lost images {found} are found by "
            f"replay and {early} after a few; {sum(row.alone for row in group)} are found by replay only. Replay takes "
            f"{seconds[0]:.2f} s, a few {seconds[1]:.2f} s, all {seconds[2]:.2f} s.",
            "",
        ]
    return lines


def pairs_of(rows: list[Compared]) -> tuple[list[Comparison], list[Comparison], list[Comparison]]:
    """Return the comparisons (in the end, after replay, after the attack on a few)."""
    return [row.paired for row in rows], [row.replay for row in rows], [row.early for row in rows]


def count(rows: list[Compared], margin: Tolerance) -> int:
    return sum(row.paired.ruling(margin) == "fails" for row in rows)


def failures(rows: list[Compared]) -> list[str]:
    """Return a line for each bound that does not hold."""
    made_worse = [row for row in rows if row.change == "made worse"]
    caught = count(made_worse, MARGIN)
    passed = sum(row.ruling != "fails" for row in rows if row.change == "rewritten")
    missed = sum(row.unpaired >= ALPHA for row in made_worse)
    bounds = {"caught": (caught, CAUGHT), "passed": (passed, PASSED), "missed by the unpaired test": (missed, MISSED)}
    return [f"DOES NOT HOLD: {what} {got}, at least {least}" for what, (got, least) in bounds.items() if got < least]


if __name__ == "__main__":
    sys.exit(main())
