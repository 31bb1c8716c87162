"""`make bench-patches`: patches beside ART's AdversarialPatchPyTorch and the authors' Sparse-RS: writes patches.md.

The authors' files rs_attacks.py and utils.py, of fra31/sparse-rs, lie in a folder that may be given: they are not of
this project.
"""

import argparse
import importlib
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import table
from benchmarks.duel import Attacker, Effort, run_suite, spend
from benchmarks.subjects import Subject, draw_images, network
from benchmarks.timing import CLOCK
from robust.attacks import PatchThreat, assail, make
from robust.attacks.task import Counted
from robust.attacks.zoo.universal_patch import UniversalPatch

OUT = Path(__file__).parent / "patches.md"
N, SHOWN_ON, SEED, SIDE = 50, 1000, 0, 5  # test images that get a patch each, and that one for all is shown on
NETWORKS = ("standard", "pgd-at")
EACH, ALL = PatchThreat.parse(f"patch:{SIDE}x{SIDE}"), PatchThreat.parse(f"patch:{SIDE}x{SIDE}:universal=true")
OURS = ("lavan", "patch-rs")
SUITES = ("quick-1", "standard-1")
RATE = 0.3  # of signs; on training images better than 0.03 and 0.1, and than Adam with 0.03, 0.1, 0.3 and 1
CENTRE = ((11, 11),)
PLACES = tuple((column, row) for row in (3, 11, 19) for column in (3, 11, 19))
LEARNT_ON, EPOCHS, BATCH = 200, 10, 20  # training images, and ART's passes through them, for one patch for all
QUERIES, ALPHA = 1000, 0.4  # of the authors' Sparse-RS; the second is what they say for patches
HEADS = ("network", "attack", "robust %", "passes", "seconds", *(f"{ours} to the same" for ours in OURS))
SHARED = ("network", "one patch for all", "robust %", "passes to learn", "seconds")
LEGEND = (
    f"{EACH} on {N} test images of Fashion-MNIST, for each image a patch of its own. Robust are the images that are "
    "answered right whatever the attack finds; lower is stronger, and one function judges all. Passes are those of an "
    "image that is answered right without an attack, a backward one counted as two; seconds are processor time of all. "
    "The last columns: the passes, and seconds, after which ours had broken as many. ART has no search for a place: "
    "it gets the middle, or nine places one after the other until one fools the model, by signs, without turns. Its "
    "patch is drawn larger and sampled down again. Sparse-RS is the authors' branch for patches, without its logs."
)
LEGEND_ALL = (
    f"{ALL}: learnt on {LEARNT_ON} training images, shown on {SHOWN_ON} test images; passes are those of a training "
    "image. ART's is the best on the training images of nine, one at each place."
)


class Ours(NamedTuple):
    """The outcome of one of our attacks on each image, and what it took."""

    robust: int
    passes: Tensor  # (n,): a backward one counted as two
    fell: Tensor  # (n,) bool
    seconds: float

    def describe_until(self, fell: int) -> str:
        """Return the mean passes of an image, and the seconds, with which so many had fallen; "never" without."""
        if int(self.fell.sum()) < fell:
            return "never"
        limit = self.passes[self.fell].sort().values[fell - 1] if fell else self.passes.new_zeros(())
        spent = float(self.passes.clamp_max(limit).mean())
        return f"{spent:.0f}, {self.seconds * spent / float(self.passes.mean()):.1f} s"


def main() -> int:
    """Measure all and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("originals", type=Path, nargs="?", help="the folder with rs_attacks.py and utils.py")
    parser.add_argument("--samples", type=int, default=N)
    options = parser.parse_args()
    torch.set_num_threads(1)
    each, shared = [], []
    for name in NETWORKS:
        on = Subject.of(name, network(name), *draw_images(options.samples, SEED))
        each += _told(_compare(on, options.originals))
        shared += _told(_compare_all(Subject.of(name, network(name), *draw_images(SHOWN_ON, SEED))))
    lines = [*table.markdown(HEADS, each, words=2), "", "## One patch for all", "", LEGEND_ALL, ""]
    lines += table.markdown(SHARED, shared, words=2)
    packages = ("torch", "adversarial-robustness-toolbox")
    OUT.write_text(table.page("Patches", LEGEND, lines, SEED, packages), "utf-8")
    return 0


def _told(rows: Iterator[list[str]]) -> list[list[str]]:
    told = []
    for row in rows:
        sys.stdout.write(" | ".join(row) + "\n")
        sys.stdout.flush()
        told.append(row)
    return told


def _compare(on: Subject, originals: Path | None) -> Iterator[list[str]]:
    """Yield a row for each attack that makes a patch for each image: theirs and ours in turns."""
    from benchmarks.peers.art import patch_each

    theirs: dict[str, Attacker] = {
        "ART, the middle, 100 steps": patch_each(SIDE, CENTRE, 100, RATE),
        "ART, nine places of 25 steps": patch_each(SIDE, PLACES, 25, RATE),
    }
    if originals is not None:
        theirs[f"Sparse-RS, {QUERIES} queries"] = sparse_rs(originals)
    ours: dict[str, Ours] = {}
    efforts: dict[str, Effort] = {}
    for peer, attack in zip_longest(theirs, OURS):  # in turns
        if peer is not None:
            efforts[peer] = spend(theirs[peer], on, SEED)
        if attack is not None:
            ours[attack] = measure(on, attack)
    for attack, own in ours.items():
        yield [on.name, f"`{attack}`", *_figures(on, own.robust, float(own.passes.mean()), own.seconds), "", ""]
    for suite in SUITES:
        began, found = CLOCK(), run_suite(on, suite, EACH, SEED)
        passes = (found.forwards + 2 * found.backwards) / len(on.x)
        robust = int((~found.adversarial).sum())
        yield [on.name, f"`{suite}`", *_figures(on, robust, passes, CLOCK() - began), "", ""]
    for title, effort in efforts.items():
        robust = len(on.x) - int(is_fooled(on, effort.x_adv).sum())
        same = [own.describe_until(len(on.x) - robust) for own in ours.values()]
        yield [on.name, title, *_figures(on, robust, _passes(effort, len(on.x)), effort.seconds), *same]


def measure(on: Subject, attack: str) -> Ours:
    """Run an attack of ours."""
    began, outcome = CLOCK(), assail(on.model, make(attack), on.x, on.y, EACH, seed=SEED)
    passes = (outcome.cost.forwards + 2 * outcome.cost.backwards).double()
    return Ours(int((~outcome.adversarial).sum()), passes, outcome.adversarial, CLOCK() - began)


def is_fooled(on: Subject, x_adv: Tensor) -> Tensor:
    """Mark the inputs within the threat model that are answered wrong, (n,) bool."""
    with torch.no_grad():
        answers: Tensor = on.model(x_adv).argmax(1)
    return EACH.admits(x_adv, on.x) & (answers != on.y)


def sparse_rs(originals: Path) -> Attacker:
    """Return the authors' random search for patches, with their options."""
    sys.path.insert(0, str(originals))
    attack = importlib.import_module("rs_attacks").RSAttack

    def run(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        made = attack(model, "patches", n_queries=QUERIES, eps=SIDE**2, alpha_init=ALPHA, loss="margin", seed=SEED)
        with torch.no_grad():
            found: Tensor = made.perturb(x, y)[1]
        return found

    return run


def _compare_all(on: Subject) -> Iterator[list[str]]:
    """Yield a row for each way to learn one patch for all images."""
    x, y = draw_images(LEARNT_ON, SEED, held_out=0)
    for attack in (UniversalPatch(samples=LEARNT_ON, steps=150), UniversalPatch(samples=LEARNT_ON)):
        began, shown = CLOCK(), attack.learn(on.model, x, y, ALL, seed=SEED)
        seconds, (sticker,) = CLOCK() - began, shown.stickers.values()
        passes = (sticker.forwards + 2 * sticker.backwards) / LEARNT_ON
        robust = int((~assail(on.model, shown, on.x, on.y, ALL, seed=SEED).adversarial).sum())
        title = f"`universal-patch:steps={attack.steps}`"
        yield [on.name, title, *_figures(on, robust, passes, seconds)]
    theirs, passes, seconds = _learn_by_art(on.model, x, y)
    shown_on = torch.cat([theirs(part) for part in torch.split(on.x, BATCH)])
    robust = len(on.x) - int(is_fooled(on, shown_on).sum())
    yield [on.name, "ART, the best of nine places", *_figures(on, robust, passes, seconds)]


def _learn_by_art(model: nn.Module, x: Tensor, y: Tensor) -> tuple[nn.Module, float, float]:
    """Return (what shows the patch that fools most of x, the passes of each of x, the seconds)."""
    from benchmarks.peers.art import learn_patch

    counted, began = Counted(model), CLOCK()
    learnt = []
    for place in PLACES:
        shown = learn_patch(counted, x, y, SIDE, place, EPOCHS, RATE, BATCH)
        with torch.no_grad():
            learnt.append((int((counted(shown(x)).argmax(1) != y).sum()), shown))
    best = max(learnt, key=lambda pair: pair[0])[1]
    return best, (counted.forwards + 2 * counted.backwards) / len(x), CLOCK() - began


def _passes(effort: Effort, n: int) -> float:
    return (effort.forwards + 2 * effort.backwards) / n


def _figures(on: Subject, robust: int, passes: float, seconds: float) -> tuple[str, str, str]:
    return f"{100 * robust / on.n:.1f}", f"{passes:.0f}", f"{seconds:.1f}"


if __name__ == "__main__":
    sys.exit(main())
