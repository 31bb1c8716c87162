"""The samples of a random model that no test decided, so that they count as wrong: their number, and their marks.

They are the column `undecided` of the samples without an attack and of each attack, (n,). No torch.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from robust.flags import Flags, union
from robust.records.attack_outcome import AttackOutcome
from robust.records.columns import UNDECIDED, Columns


def count_undecided(correct: Flags, columns: Columns, attacks: Sequence[AttackOutcome]) -> tuple[int, int]:
    """Count the samples that are not right without an attack, and that are adversarial, as no test decided.

    Both are 0 where the answers are not random.
    """
    robust = correct & ~union(attack.adversarial for attack in attacks)
    shown = union(attack.adversarial & ~_read(attack.columns, len(correct)) for attack in attacks)
    return int((_read(columns, len(correct)) & ~correct).sum()), int((correct & ~robust & ~shown).sum())


def check_undecided(draws: str, correct: Flags, columns: Columns, attacks: Sequence[AttackOutcome]) -> None:
    """Raise ValueError if samples are undecided that do not count as wrong, or though answers are not random."""
    for marks, wrong in _iter_marks(correct, columns, attacks):
        if not draws and marks.any():
            raise ValueError("its parts do not agree: samples are undecided, and the answers are not random")
        if (marks & ~wrong).any():
            raise ValueError("its parts do not agree: samples are undecided that do not count as wrong")


def _iter_marks(correct: Flags, columns: Columns, attacks: Sequence[AttackOutcome]) -> Iterator[tuple[Flags, Flags]]:
    """Yield (which samples are undecided, which count as wrong), without an attack and for each attack."""
    n = len(correct)
    yield _read(columns, n), ~correct
    for attack in attacks:
        yield _read(attack.columns, n), attack.adversarial


def _read(columns: Columns, n: int) -> Flags:
    """Return the undecided samples, (n,); none where there is no such column. ValueError for one of another shape."""
    marks = columns.get(UNDECIDED, np.zeros(n, bool))
    if marks.shape != (n,):
        raise ValueError("not a record: the column 'undecided' must be a bit for each sample")
    undecided: Flags = marks != 0
    return undecided
