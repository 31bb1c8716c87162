"""A progress bar for suites, on a terminal only: it shows the bound that was reached so far."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from robust.campaign import Told, Watch


@contextmanager
def suite_bar(title: str, n: int) -> Iterator[Watch]:
    """Yields what to call before every round on `n` samples. The bar leaves nothing behind."""
    console = Console(stderr=True)
    shown = (TextColumn("{task.description}"), TextColumn("{task.fields[note]}"), TimeElapsedColumn(), BarColumn(12))
    with Progress(*shown, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None, note="")

        def watch(told: Told) -> None:
            note = f"{told.stage + 1} of {told.stages} stages: at most {told.standing / n:.1%} robust"
            bar.update(task, completed=told.stage + told.round / told.rounds, total=told.stages, note=note)

        yield watch
