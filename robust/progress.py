"""Progress bars for trainings and suites, on a terminal only."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from robust.evaluation.suite_run import SuiteProgress, Watch
from robust.train.card import describe_figures
from robust.train.plan import Plan
from robust.train.validate import Epoch


@dataclass(frozen=True, slots=True)
class TrainingBar:
    """A bar that shows a training while it runs."""

    bar: Progress
    task: TaskID

    def show_batch(self, done: float, plan: Plan) -> None:
        """Show that `done` of the planned epochs are done."""
        self.bar.update(self.task, completed=done, total=plan.epochs)

    def show_epoch(self, epoch: Epoch, plan: Plan) -> None:
        """Show the accuracies of an epoch that was validated."""
        self.bar.update(
            self.task, completed=epoch.number, total=plan.epochs, note=describe_figures(epoch.clean, epoch.robust)
        )


@contextmanager
def open_training_bar(title: str, shown: bool = True) -> Iterator[TrainingBar]:
    """Show a bar that disappears at the end. On a narrow terminal the title is cut, not the progress."""
    console = Console(stderr=True)
    epochs, left = MofNCompleteColumn(table_column=_make_column(5)), TimeRemainingColumn(table_column=_make_column(7))
    tail = TextColumn("{task.fields[note]}", table_column=_make_column(25))
    columns = (TextColumn("{task.description}"), epochs, left, tail)
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as bar:
        yield TrainingBar(bar, bar.add_task(title, total=None, note=""))


def _make_column(width: int) -> Column:
    """Return a column that a narrow terminal does not cut."""
    return Column(min_width=width, no_wrap=True)


@contextmanager
def open_suite_bar(title: str, n: int) -> Iterator[Watch]:
    """Show a bar that disappears at the end; yields the function to call before every round on `n` samples."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), TextColumn("{task.fields[note]}"), TimeElapsedColumn(), BarColumn(12))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None, note="")

        def watch(progress: SuiteProgress) -> None:
            note = f"{progress.stage + 1} of {progress.stages} stages: at most {progress.robust / n:.1%} robust"
            completed = progress.stage + progress.round / progress.rounds
            bar.update(task, completed=completed, total=progress.stages, note=note)

        yield watch
