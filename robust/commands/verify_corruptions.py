"""Check the answers to each corruption of each sample, of which a row's mean accuracy under corruptions is made."""

import numpy as np

from robust.attacks.grammar.corruption import list_corruptions
from robust.attacks.text import printable
from robust.commands.row_check import Check, Row
from robust.records.corrupted import Corrupted
from robust.verification.check import check_labels
from robust.verification.corruptions import show_corrupted


def check_corruptions(row: Row, corrupted: Corrupted) -> Check:
    """Corrupt each clean sample again, ask the model, and compare with what is recorded, where that was asked for.

    A sample that is answered wrong under some corruption cannot be recorded as robust. What the row says of the place,
    before a Dataset's own resize or not, must be so.
    """
    bounds, x, y = (row.dataset.lo, row.dataset.hi), row.samples.x[:], row.samples.y
    resized = row.samples.find_resized(row.record.threat)
    right, near = np.zeros(corrupted.right.shape, bool), np.zeros(corrupted.right.shape, bool)
    for k, word in enumerate(list_corruptions(row.record.threat).values()):
        shown = show_corrupted(str(word), bounds, x, word.which, resized)
        right[:, k], near[:, k] = check_labels(row.module, shown, y, row.batch, row.samples.criterion)
    asked = np.isfinite(corrupted.right)
    other = int((asked & (right != (corrupted.right > 0)) & ~near).sum())
    standing = int((row.record.robust & (asked & ~right & ~near).any(1)).sum())
    faults = [f"{other} not as recorded"] * bool(other)
    faults += [f"{standing} samples are recorded as robust, and answered wrong under a corruption"] * bool(standing)
    place, said = ("" if resized is None else resized.resize), row.record.corrupted_before
    faults += [f"images are corrupted {_tell(place)}, and recorded as {_tell(said)}"] * (place != said)
    text = f"{np.count_nonzero(right & asked)} of {np.count_nonzero(asked)} corrupted inputs are answered right"
    text += f", {np.count_nonzero(~asked)} are recorded as not asked for" * bool((~asked).any())
    return Check("answers", not faults, "; ".join([text, *faults]))


def _tell(place: str) -> str:
    return f"before {printable(place)}" if place else "as the model gets them"
