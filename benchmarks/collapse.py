"""`make bench-collapse`: fgsm-at until it collapses, caught by the guard, and n-fgsm beside it, which holds."""

import sys
from itertools import zip_longest
from pathlib import Path

import torch

from benchmarks import table
from robust.attacks import LpThreat
from robust.data.factory import open_data
from robust.models.format import Terms
from robust.models.load import get_builder
from robust.models.spec import ModelSpec
from robust.train.factory import read_recipe
from robust.train.loop import fit
from robust.train.setup import FitOptions
from robust.train.validate import Epoch

OUT = Path(__file__).parent / "collapse.md"
N, SEED, THREAT, NETWORK = 6000, 1, "linf:0.15", "zoo:preactresnet18(width=8)"
KEYS = "epochs=15:batch=64:lr=0.1"
WORDS = (f"fgsm-at:clean=0:{KEYS}", f"n-fgsm:{KEYS}")
LEGEND = (
    f"`{NETWORK}` on {N:,} images of Fashion-MNIST's training split under {THREAT}. Both trainings start from the same "
    "weights. Each cell is the accuracy in percent on the images that were held out for validation: clean / under one "
    "step of FGSM / under PGD with 10 steps."
)


def main() -> int:
    torch.set_num_threads(1)
    samples = open_data("fashion-mnist", Path()).load("train").draw(N, SEED)[0]
    columns, lines = [], []
    for word in WORDS:
        torch.manual_seed(0)
        network = get_builder(ModelSpec.parse(NETWORK, Path()), None, Path(), Terms((1, 28, 28), 10))()
        epochs: list[Epoch] = []
        options = FitOptions(on_epoch=epochs.append)
        fitted = fit(network, read_recipe(word), samples, LpThreat.parse(THREAT), seed=0, options=options)
        columns.append([_cell(epoch) for epoch in epochs])
        lines += [f"- {word}: {note}" for note in fitted.notes or ("nothing to report",)]
    rows = ([str(k), *row] for k, row in enumerate(zip_longest(*columns, fillvalue=""), 1))
    lines = [*table.markdown(("epoch", *(f"`{word}`" for word in WORDS)), rows, words=0), "", *lines]
    OUT.write_text(table.page("A collapse of training, detected", LEGEND, lines, 0, ("torch",)), "utf-8")
    sys.stdout.write(OUT.read_text("utf-8"))
    return 0


def _cell(epoch: Epoch) -> str:
    assert epoch.one_step is not None
    assert epoch.robust is not None
    return " / ".join(f"{100 * share:.1f}" for share in (epoch.clean, epoch.one_step, epoch.robust))


if __name__ == "__main__":
    sys.exit(main())
