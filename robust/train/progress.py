"""A progress bar for training, on a terminal only."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from robust.train.cache import OnEpoch
from robust.train.plan import Plan
from robust.train.validate import Epoch


@contextmanager
def training_bar(title: str) -> Iterator[OnEpoch]:
    """Yields what to call after every epoch. The bar leaves nothing behind, and is on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("epochs"))
    tail = (TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, *tail, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None, note="")

        def on_epoch(epoch: Epoch, plan: Plan) -> None:
            note = f"validation: clean {epoch.clean:.1%}"
            if epoch.robust is not None:
                note += f", robust {epoch.robust:.1%}"
            bar.update(task, completed=epoch.number, total=plan.epochs, note=note)

        yield on_epoch
