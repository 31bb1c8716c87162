"""`make bench-draws`: verdicts on random answers beside closed forms, and random defences. Writes draws.md.

The exit status is 1 if a bound does not hold.
"""

import sys
from pathlib import Path
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout

from benchmarks import table
from robust.attacks import PGD, Drawn, LpThreat, assail
from robust.attacks.rng import seeded
from robust.attacks.suite import read_suite
from robust.data.dataset import Dataset, Samples
from robust.data.factory import open_data
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_clean
from robust.evaluation.suite_run import SuiteRun

PAGE = Path(__file__).parent / "draws.md"
SEED, TRIALS, N = 0, 100, 100
EPS, SIGMA = 0.1, 0.1
CHANCES = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
BOUND = 5  # of so many samples on the wrong side, from 0.35 down and from 0.65 up: more than 1 % and luck explain
THREAT = LpThreat.parse(f"linf:{EPS}", lo=0, hi=1)
LEGEND = (
    "Closed form: a model of two classes whose answer, of one draw, is wrong at the worst input of the ball with the "
    f"probability in the first column; PGD-10, {TRIALS} samples, each with draws of its own. A majority and a mean are "
    f"wrong on the same side of one half. Defences: one network on {N} test images of digits, quick-1 under {THREAT}, "
    "alone and behind noise or dropout at test time. Single draws: PGD-20 on it as if it were not random, judged by "
    "single draws and not verified. Passes of a sample: forwards, and backwards twice."
)


class Chance(nn.Module):
    """Answers -z and z, where z is the mean of x minus one half, and a normal number: label 0 is right below 0."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 2) of x, (n, features)."""
        z = x.mean(1) - 0.5 + SIGMA * torch.randn(len(x))
        return torch.stack([-z, z], 1)


class Defended(nn.Module):
    """A network behind noise on its input, and dropout on its hidden units, also at test time."""

    def __init__(self, body: nn.Sequential, noise: float = 0.0, drop: float = 0.0) -> None:
        super().__init__()
        self.body, self.noise, self.drop = body, noise, drop

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 10) of x, (n, 1, 8, 8)."""
        hidden = self.body[:3](x + self.noise * torch.randn_like(x) if self.noise else x)
        logits: Tensor = self.body[3](dropout(hidden, self.drop))
        return logits


def main() -> int:
    """Measure and write the page; return 1 if a bound does not hold."""
    closed, sound = closed_form()
    lines = ["## Closed form", "", *closed, "", "## Defences", "", *defences()]
    PAGE.write_text(table.page("Models that answer at random", LEGEND, lines, SEED, ("torch",)), "utf-8")
    sys.stdout.write(PAGE.read_text("utf-8"))
    return 0 if sound else 1


def closed_form() -> tuple[list[str], bool]:
    """Return the table of verdicts for each probability of an error, and whether they keep the bound."""
    rows, sound, words = [], True, ("1", "majority:5", "mean:5")
    for chance in CHANCES:
        cells = []
        for word in words:
            broken, undecided = _count_verdicts(word, chance)
            wrong = broken if chance < 0.5 else TRIALS - broken
            sound &= wrong <= BOUND or abs(chance - 0.5) < 0.15
            cells += [str(broken - undecided), str(undecided), str(TRIALS - broken)]
        rows.append([f"{chance:g}", *cells])
    heads = [f"{word}: {verdict}" for word in words for verdict in ("wrong", "undecided", "right")]
    return table.markdown(("error", *heads), rows, words=1), sound


def _count_verdicts(word: str, chance: float) -> tuple[int, int]:
    """Return how many samples end with an adversarial input, and how many of these are undecided."""
    x = torch.full((TRIALS, 4), 0.5 - EPS + SIGMA * NormalDist().inv_cdf(chance))
    y = torch.zeros(TRIALS, dtype=torch.int64)
    found = assail(Drawn(Chance(), word), PGD(steps=10), x, y, THREAT, seed=SEED)
    return int(found.adversarial.sum()), int(found.undecided.sum())


def defences() -> list[str]:
    """Return the table of the network alone, and behind what is random."""
    digits = open_data("digits", Path())
    body, samples = _train(digits), digits.load("test", N, SEED)
    kinds = (
        ("none", Defended(body), ("",)),
        ("noise 0.1", Defended(body, noise=0.1), ("1", "mean:10")),
        ("noise 0.3", Defended(body, noise=0.3), ("1", "majority:5", "mean:10")),
        ("dropout 0.5", Defended(body, drop=0.5), ("1", "mean:10")),
    )
    rows = [_measure(name, module, word, samples) for name, module, words in kinds for word in words]
    heads = ("defence", "draws", "clean %", "undecided", "robust %", "undecided ", "single draws %", "passes")
    return table.markdown(heads, rows, words=2)


def _train(digits: Dataset) -> nn.Sequential:
    x, y = (torch.from_numpy(np.asarray(part)) for part in digits.read("train"))
    with seeded(SEED):
        body = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
        optimiser = torch.optim.Adam(body.parameters(), 1e-3)
        for _ in range(60):
            for rows in torch.split(torch.randperm(len(x)), 64):
                hidden = body[:3](x[rows] + 0.1 * torch.randn_like(x[rows]))
                loss = cross_entropy(body[3](dropout(hidden, 0.2)), y[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
    return body.eval()


def _measure(name: str, module: Defended, word: str, samples: Samples) -> list[str]:
    drawn, batcher = Drawn(module, word) if word else module, Batcher(N, torch.device("cpu"))
    clean = measure_clean(drawn, samples, SEED, batcher)
    run = SuiteRun(drawn, samples, read_suite("quick-1", Path()), THREAT, 10, RunOptions(batcher, SEED))
    found = run.run(clean.correct)
    unsure = ["" if flags is None else str(int(flags.sum())) for flags in (clean.undecided, found.undecided)]
    robust = clean.correct & ~found.adversarial
    passes = (found.forwards + 2 * found.backwards) / N
    x, y = torch.from_numpy(np.asarray(samples.x)), torch.from_numpy(samples.y)
    lucky = assail(module, PGD(steps=20), x, y, THREAT, seed=SEED).adversarial
    sys.stderr.write(f"{name} {word}: {int(robust.sum())} of {N}\n")
    figures = [f"{100 * float(np.mean(flags)):.1f}" for flags in (clean.correct, robust, ~lucky.numpy())]
    return [name, word, figures[0], unsure[0], figures[1], unsure[1], figures[2], f"{passes:,.0f}"]


if __name__ == "__main__":
    sys.exit(main())
