"""`robust compare`: compare the rows of two runs, sample by sample."""

import argparse
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from robust.attacks.text import printable
from robust.baseline.comparison import Comparison, name_samples
from robust.baseline.matching import UnfitError, Wanted, find_match, refuse, robust_flags
from robust.baseline.store import Baseline, read, read_numbers
from robust.baseline.tolerance import WORDS, Tolerance, read_tolerance, refuse_twice
from robust.records.record import Record


@dataclass(frozen=True, slots=True)
class Compared:
    """The result, and its text for the terminal."""

    failed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A row before and after, each as (path of its record, record)."""

    before: tuple[Path, Record]
    after: tuple[Path, Record]

    def compare(self, metric: str) -> Comparison:
        """Compare one accuracy, "clean_acc" or "robust_acc", sample by sample."""
        return Comparison(robust_flags(self.before[1], metric), robust_flags(self.after[1], metric))


def run(args: argparse.Namespace) -> Compared:
    """Compare B with A; ValueError or LookupError, in one line, if nothing in them can be compared."""
    margins = tuple(read_tolerance(part) for text in args.fail or () for part in text.split(","))
    refuse_twice(margins)
    before, after = read(args.before), read(args.after)
    pairs, notes = _pair_rows(before, after)
    if not pairs:
        raise LookupError(f"nothing can be compared: {notes[0]}")
    paired = [pair.before[1] for pair in pairs]
    left = [record for record in before.records if not any(record is other for other in paired)]
    notes += [f"of A alone, so nothing shows that it holds: {Wanted.of(record)}" for record in left]
    rulings = [pair.compare(margin.metric).ruling(margin) for pair in pairs for margin in margins]
    failed = "fails" in rulings or bool(margins and left)
    heads = [f"A: {before}", f"B: {after}", ""]
    lines = [*heads, *(line for pair in pairs for line in _describe(pair, margins)), *notes]
    verdict = [f"FAILED: B is not as good as A, by {', '.join(map(str, margins))}"] * failed
    return Compared(failed, "".join(f"{line}\n" for line in [*lines, *verdict]))


def _pair_rows(before: Baseline, after: Baseline) -> tuple[list[Pair], list[str]]:
    """Return the rows of both that may be compared, and the reasons why others may not."""
    pairs, notes = [], []
    alone = len({(record.model.name, record.model.training) for record in after.records}) == 1
    for path, record in after.rows.items():
        try:
            refuse(record)
            match = find_match(before.records, Wanted.of(record), alone)
            pairs.append(Pair((before.path_of(match), match), (path, record)))
        except UnfitError as error:
            notes.append(f"not compared: {Wanted.of(record)}: {error.args[0]}")
    return pairs, notes


def _describe(pair: Pair, margins: tuple[Tolerance, ...]) -> Iterator[str]:
    (first, before), (second, after) = pair.before, pair.after
    name, training = before.model.name, before.model.training
    renamed = (name, training) != (after.model.name, after.model.training)
    model = f"{name} ({training})" if renamed else f"weights {before.model.weights[:8]}"
    against = "" if before.model == after.model else f", against {model}"
    yield printable(f"{Wanted.of(after)}, n = {after.data.n}{against}")
    yield _format_table(pair, margins)
    index = next((numbers for path in (second, first) if (numbers := read_numbers(path)) is not None), None)
    which = "samples" if index is not None else "samples, by their places in the record,"
    index = np.arange(after.data.n) if index is None else index
    for metric, words in WORDS.items():
        paired = pair.compare(metric)
        for what, flags in (("lost", paired.lost), ("won", paired.won)):
            if flags.any():
                yield f"{words}, {what}: {which} {name_samples(flags, index)}"
    yield ""


def _format_table(pair: Pair, margins: tuple[Tolerance, ...]) -> str:
    """Return a table with a line for each accuracy."""
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("")
    for title in ("A %", "B %", "points", "95 % interval", "lost", "won", "p"):
        table.add_column(title, justify="right", no_wrap=True)
    if margins:
        table.add_column("gate")
    for metric, words in WORDS.items():
        paired, margin = pair.compare(metric), next((limit for limit in margins if limit.metric == metric), None)
        shares, (low, high) = (f"{100 * flags.mean():.1f}" for flags in (paired.before, paired.after)), paired.interval
        counts = (str(flags.sum()) for flags in (paired.lost, paired.won))
        figures = [*shares, f"{paired.points:+.1f}", f"{low:+.1f} to {high:+.1f}", *counts, f"{paired.p:.2g}"]
        gate = [f"{margin} {paired.ruling(margin)}" if margin else ""] * bool(margins)
        table.add_row(words, *figures, *gate)
    file = io.StringIO()
    width = shutil.get_terminal_size().columns
    Console(file=file, width=width, color_system=None, emoji=False, markup=False).print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
