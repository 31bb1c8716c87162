"""`robust compare`: compare the rows of two runs, sample by sample."""

import argparse
import io
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from robust.attacks.grammar.corruption import list_corruptions
from robust.attacks.text import printable
from robust.baseline.comparison import Comparison, Paired, Ruling, name_samples
from robust.baseline.distances import compare_curves
from robust.baseline.iou_comparison import compare_iou
from robust.baseline.matching import UnfitError, Wanted, find_match, refuse, robust_flags
from robust.baseline.mean_comparison import compare_corruptions, compare_scores
from robust.baseline.store import Baseline, read, read_numbers
from robust.baseline.tolerance import (
    CERTIFIED,
    CLEAN,
    CORRUPTED,
    DISTANCE,
    MEAN,
    MIOU,
    ROBUST,
    WORDS,
    Tolerance,
    read_tolerance,
    refuse_corrupted,
    refuse_mean,
    refuse_twice,
)
from robust.records.record import Record

MEANS = {
    MEAN: "scores",
    MIOU: "mIoU",
    CORRUPTED: "answers to each corruption",
    DISTANCE: "whole curve up to the same end",
}
# What a narrower terminal leaves out of the table, in turn; the samples that were lost and won stand below it.
NARROWER = ((), ("lost", "won"), ("lost", "won", "A %"))


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

    @property
    def metrics(self) -> tuple[str, ...]:
        """List the accuracies that both have; a row need not have a certificate."""
        methods = [record.certificate and record.certificate.method for _, record in (self.before, self.after)]
        certified = methods[0] is not None and methods[0] == methods[1]
        return CLEAN, ROBUST, *[CERTIFIED] * certified

    @property
    def means(self) -> dict[str, Paired]:
        """Compare, by the metric, mean scores, mIoU, means over corruptions, distances of curves, as both have them."""
        before, after = self.before[1], self.after[1]
        found = {
            MEAN: compare_scores(before, after),
            MIOU: compare_iou(before, after),
            CORRUPTED: compare_corruptions(before, after),
            DISTANCE: compare_curves(before, after),
        }
        return {metric: paired for metric, paired in found.items() if paired is not None}

    def compare(self, metric: str) -> Comparison:
        """Compare one accuracy, "clean_acc", "robust_acc" or "certified_acc", sample by sample."""
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
    for margin in margins:
        refuse_corrupted(margin, [record.threat for record in paired])
    left = [record for record in before.records if not any(record is other for other in paired)]
    notes += [note for pair in pairs if (note := _describe_uncertified(pair))]
    notes += [f"of A alone, so nothing shows that it holds: {Wanted.of(record)}" for record in left]
    rulings = [_decide(pair, margin) for pair in pairs for margin in margins]
    failed = "fails" in rulings or bool(margins and left)
    heads = [f"A: {before}", f"B: {after}", ""]
    lines = [*heads, *(line for pair in pairs for line in _describe(pair, margins)), *notes]
    verdict = [f"FAILED: B is not as good as A, by {', '.join(map(str, margins))}"] * failed
    return Compared(failed, "".join(f"{line}\n" for line in [*lines, *verdict]))


def _decide(pair: Pair, margin: Tolerance) -> Ruling:
    """Decide whether an accuracy keeps its margin: it fails if nothing shows that what A certifies still holds."""
    refuse_mean(margin, pair.after[1].criterion["name"])
    if margin.metric == CORRUPTED and not list_corruptions(pair.after[1].threat):  # it is of other rows
        return "holds"
    if paired := pair.means.get(margin.metric):
        return paired.ruling(margin)
    if margin.metric in MEANS:
        lacks = f"A or B has no {MEANS[margin.metric]}"
        raise LookupError(f"--fail={margin}: of {Wanted.of(pair.after[1])} {lacks}")
    if margin.metric in pair.metrics:
        return pair.compare(margin.metric).ruling(margin)
    if pair.before[1].certificate is None:
        raise LookupError(f"--fail={margin}: the row {Wanted.of(pair.before[1])} of A has no certificate")
    return "fails"


def _describe_uncertified(pair: Pair) -> str:
    """Say why what is certified is not compared, though a row has a certificate; "" if it is, or none has one."""
    records = [record for _, record in (pair.before, pair.after)]
    methods = [record.certificate.method if record.certificate else "nothing" for record in records]
    if methods[0] == methods[1]:
        return ""
    return f"what is certified is not compared: {Wanted.of(records[1])}: A by {methods[0]}, B by {methods[1]}"


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
    n = after.data.n
    index = next((numbers for path in (second, first) if (numbers := read_numbers(path, n)) is not None), None)
    which = "samples" if index is not None else "samples, by their places in the record,"
    index = np.arange(n) if index is None else index
    for metric in pair.metrics:
        paired, words = pair.compare(metric), WORDS[metric]
        for what, flags in (("lost", paired.lost), ("won", paired.won)):
            if flags.any():
                yield f"{words}, {what}: {which} {name_samples(flags, index)}"
    for metric, mean in pair.means.items():
        gates = [f"; {margin} {mean.ruling(margin)}" for margin in margins if margin.metric == metric]
        yield f"{WORDS[metric]}: {mean}{''.join(gates)}"
    yield ""


def _format_table(pair: Pair, margins: tuple[Tolerance, ...]) -> str:
    """Return a table with a line for each accuracy; a narrow terminal leaves columns out, and none that decides."""
    lines, width = [_cells(pair, metric, margins) for metric in pair.metrics], shutil.get_terminal_size().columns
    for hidden in NARROWER:
        table = Table(box=None, pad_edge=False, header_style="")
        shown = [title for title in lines[0] if title not in hidden]
        for title in shown:
            table.add_column(title, justify="left" if title in ("", "gate") else "right", no_wrap=True)
        for line in lines:
            cells = line | {"gate": line.get("gate", "").replace(" ", "\n" if hidden else " ")}
            table.add_row(*(cells[title] for title in shown))
        if Console(width=10_000).measure(table).maximum <= width:
            file = io.StringIO()
            Console(file=file, width=width, color_system=None, emoji=False, markup=False).print(table)
            text = [line.rstrip() for line in file.getvalue().splitlines()]
            return "\n".join([*text, *[f"(left out for want of width: {', '.join(hidden)})"] * bool(hidden)])
    told = ((line.pop(""), line) for line in lines)
    return "\n".join(
        part
        for words, line in told
        for part in textwrap.wrap(
            f"{words}: {', '.join(f'{name} {cell}' for name, cell in line.items() if cell)}", width
        )
    )


def _cells(pair: Pair, metric: str, margins: tuple[Tolerance, ...]) -> dict[str, str]:
    """Return the cells of an accuracy by the titles of their columns."""
    paired, margin = pair.compare(metric), next((limit for limit in margins if limit.metric == metric), None)
    before, after = (f"{100 * flags.mean():.1f}" for flags in (paired.before, paired.after))
    low, high = paired.interval
    cells = {
        "": WORDS[metric],
        "A %": before,
        "B %": after,
        "points": f"{paired.points:+.1f}",
        "95 % interval": f"{low:+.1f} to {high:+.1f}",
        "lost": str(paired.lost.sum()),
        "won": str(paired.won.sum()),
        "p": f"{paired.p:.2g}",
    }
    return cells | ({"gate": f"{margin} {paired.ruling(margin)}" if margin else ""} if margins else {})
