"""The progress of a run: a bar on a terminal; elsewhere, as in a log of CI, a line at least every 30 seconds."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from robust.attacks.text import printable
from robust.evaluation.suite_run import SuiteProgress, Watch
from robust.train.card import describe_figures
from robust.train.plan import Plan
from robust.train.validate import Epoch

EVERY = 30.0  # seconds between two lines, where there is no terminal


class Bar:
    """A part of a run while it runs: what it does now, and the share of it that is done."""

    def __init__(self, title: str) -> None:
        self.title, self.note, self.share = printable(title), "", 0.0
        self._start: tuple[float, float] | None = None  # (the time, the share that was done) when it was first shown

    def show(self, note: str, share: float) -> None:
        """Show what is done now; `share` of the part is done, from 0 to 1."""
        self._start = self._start or (time.monotonic(), share)  # a training may go on from an earlier one
        self.note, self.share = note, share

    def say(self, line: str) -> None:
        """Write a line that stays."""
        sys.stderr.write(f"{self.title}: {line}\n")
        sys.stderr.flush()

    def describe(self, began: float) -> str:
        """Return one line on how far it is; `began` is when it began, on the monotonic clock."""
        now = time.monotonic()
        since, first = self._start or (now, 0.0)
        done = self.share - first
        left = (now - since) * (1 - self.share) / done if done > 0 else 0.0
        times = [f"{_format(now - began)} so far"] + [f"about {_format(left)} left"] * (done > 0)
        share = [f"{self.share:.0%}"] * (self.share > 0)
        return ", ".join([f"{self.title}: {self.note}".rstrip(": "), *share, *times])


class TerminalBar(Bar):
    """A bar on a terminal."""

    def __init__(self, title: str, progress: Progress) -> None:
        super().__init__(title)
        self.progress, self.task = progress, progress.add_task(self.title, total=None, note="")

    def show(self, note: str, share: float) -> None:
        super().show(note, share)
        total = 1.0 if share else None
        self.progress.update(self.task, completed=share, total=total, note=note)

    def say(self, line: str) -> None:
        self.progress.console.print(f"{self.title}: {line}", markup=False, highlight=False)


@contextmanager
def open_bar(title: str, shown: bool = True) -> Iterator[Bar]:
    """Show a part of a run while the block runs. A terminal's bar disappears at the end; a log keeps its lines.

    Processes of pytest-xdist write lines: their bars would overwrite each other.
    """
    console = Console(stderr=True)
    if not shown:
        yield _Hidden(title)
    elif console.is_terminal and "PYTEST_XDIST_WORKER" not in os.environ:
        with Progress(*_make_columns(), console=console, transient=True) as progress:
            yield TerminalBar(title, progress)
    else:
        bar, over = Bar(title), Event()
        thread = Thread(target=_write_lines, args=(bar, over), daemon=True)
        thread.start()
        try:
            yield bar
        finally:
            over.set()
            thread.join()


class _Hidden(Bar):
    """The bar of a rank that shows nothing."""

    def say(self, line: str) -> None:
        del line


def _write_lines(bar: Bar, over: Event) -> None:
    """Write a line every 30 seconds until the part is over."""
    began = time.monotonic()
    while not over.wait(EVERY):
        sys.stderr.write(f"{bar.describe(began)}\n")
        sys.stderr.flush()


def _make_columns() -> list[TextColumn | BarColumn | TaskProgressColumn | TimeElapsedColumn | TimeRemainingColumn]:
    """Return the columns; a narrow terminal cuts the title, not what is told of the progress."""
    return [
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, ratio=1)),
        BarColumn(12, table_column=Column(min_width=12)),
        TaskProgressColumn(table_column=_fix(4)),
        TimeRemainingColumn(table_column=_fix(7)),
        TextColumn("{task.fields[note]}", markup=False, table_column=_fix(25)),
    ]


def _fix(width: int) -> Column:
    """Return a column that a narrow terminal does not cut."""
    return Column(min_width=width, no_wrap=True)


def _format(seconds: float) -> str:
    """Return a duration as 1:05 or 2:01:05."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class TrainingBar:
    """A training while it runs."""

    def __init__(self, bar: Bar) -> None:
        self.bar, self._figures = bar, ""

    def show_batch(self, done: float, plan: Plan) -> None:
        """Show that `done` of the planned epochs are done."""
        epoch = min(int(done) + 1, plan.epochs)
        self.bar.show(f"epoch {epoch}/{plan.epochs}{self._figures}", done / plan.epochs)

    def show_resumed(self, epoch: int, plan: Plan) -> None:
        """Say that an earlier training goes on."""
        where = f"at epoch {epoch} of {plan.epochs}" if epoch <= plan.epochs else "which had ended"
        self.bar.say(f"goes on from an earlier training, {where}")

    def show_interrupted(self) -> None:
        """Say that what was learnt is kept."""
        self.bar.say("interrupted; it is kept, and the same command goes on from the last epoch, or the last minutes")

    def show_epoch(self, epoch: Epoch, plan: Plan) -> None:
        """Show the accuracies of an epoch that was validated."""
        self._figures = f"; {describe_figures(epoch.clean, epoch.robust, epoch.certified)}"
        self.show_batch(epoch.number, plan)


@contextmanager
def open_training_bar(title: str, shown: bool = True) -> Iterator[TrainingBar]:
    """Show a training while the block runs."""
    with open_bar(title, shown) as bar:
        yield TrainingBar(bar)


@contextmanager
def tell_kept(bar: Bar, count: Callable[[], int]) -> Iterator[None]:
    """Say that a suite goes on from rounds of an earlier run, and if it is interrupted, that its rounds are kept."""
    if kept := count():
        bar.say(f"goes on from an earlier run, of which {kept} round{'s are' if kept > 1 else ' is'} kept")
    try:
        yield
    except KeyboardInterrupt:
        bar.say(f"interrupted; rounds that are kept: {count()}; the same command goes on from them")
        raise


@contextmanager
def tell_certified(bar: Bar, describe: Callable[[], str]) -> Iterator[None]:
    """Say what a certification goes on from, and if it is interrupted, what is kept."""
    if kept := describe():
        bar.say(f"goes on from an earlier run: {kept}")
    try:
        yield
    except KeyboardInterrupt:
        bar.say(f"interrupted; kept: {describe() or 'nothing yet'}; the same command goes on from there")
        raise


def watch_suite(bar: Bar, n: int) -> Watch:
    """Return what shows the progress of a suite on n samples."""

    def watch(progress: SuiteProgress) -> None:
        note = f"{progress.stage + 1} of {progress.stages} stages: at most {progress.robust / n:.1%} robust"
        bar.show(note, (progress.stage + progress.round / progress.rounds) / progress.stages)

    return watch
