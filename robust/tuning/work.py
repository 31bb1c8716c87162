"""The work of one process on a study: trial after trial, until all are done or the time is over."""

from collections.abc import Callable
from pathlib import Path

from robust.evaluation.time_limit import Deadline
from robust.progress import open_training_bar
from robust.report.tuning import describe_trial
from robust.tuning.journal import PLACE, Journal
from robust.tuning.trial import TimeOverError, run_trial


def work(
    journal: Journal, trials: int, folder: Path, stop: Deadline, say: Callable[[str], None], shown: bool = True
) -> None:
    """Train trials until all of them have a place, and say a line on each; their weights go into the folder."""
    while not stop() and (ask := journal.claim(trials)) is not None:
        title = f"trial {ask.user_attrs[PLACE] + 1}/{trials}"
        with open_training_bar(title, shown) as bar:
            try:
                trial = run_trial(journal, ask, folder, bar, stop)
            except TimeOverError:
                return
        say(describe_trial(trial, trials))
