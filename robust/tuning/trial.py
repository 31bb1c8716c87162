"""One trial: its training by the loop of `robust train`, ended early where it falls behind, and told to the journal."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from optuna.trial import FrozenTrial, TrialState
from optuna.trial import Trial as Ask

from robust.attacks.text import first_line
from robust.evaluation.time_limit import Deadline
from robust.progress import TrainingBar
from robust.records.tuning import State, Study, Trial
from robust.train.cache import Trained, train
from robust.train.failures import AbandonedError, DivergedError
from robust.train.plan import Plan
from robust.train.validate import Epoch
from robust.tuning.journal import PLACE, Journal
from robust.user_code import describe_user_error

FIGURES = ("clean", "robust", "certified")
STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class TimeOverError(Exception):
    """The time of the command is over; what the training has saved is kept."""


@dataclass
class Course:
    """The epochs of a trial so far; one that falls behind the trials before it is given up."""

    journal: Journal
    ask: Ask
    epochs: list[dict[str, float]] = field(default_factory=list)

    def see(self, epoch: dict[str, Any]) -> None:
        """Take note of an epoch, each in its turn; AbandonedError if the trial is to end with it."""
        if epoch["number"] <= len(self.epochs):
            return
        self.epochs.append({"number": epoch["number"], "loss": epoch["loss"], **_figures(epoch)})
        if not self.journal.prunes:
            return
        self.ask.report(epoch[self.journal.problem.objectives[0]], epoch["number"])
        if self.ask.should_prune():
            raise AbandonedError


def run_trial(journal: Journal, ask: Ask, folder: Path, bar: TrainingBar, stop: Deadline) -> Trial:
    """Train a trial, tell the journal what came of it, and return it.

    Whatever a training raises fails the trial and not the study. TimeOverError if the time ends before it: the trial
    then stays as one that was killed.
    """
    problem, values, since = journal.problem, journal.read_values(ask), time.monotonic()
    course = Course(journal, ask)
    ask.set_user_attr("values", values)
    try:
        ask.set_user_attr("model", problem.find_model(values).text)
        ask.set_user_attr("recipe", problem.write_recipe(values))
        trained = _train(journal, values, course, folder, bar, stop)
        figures = _figures(trained.card["best"])
        ask.set_user_attr("weights", trained.path.name)
        told, state = [figures[name] for name in problem.objectives], None
        ask.set_user_attr("figures", figures)
    except TimeOverError:
        raise
    except AbandonedError:
        told, state = None, TrialState.PRUNED
    except Exception as error:
        _free_memory()
        told, state = None, TrialState.FAIL
        ask.set_user_attr("reason", _describe(error))
    ask.set_user_attr("epochs", course.epochs)
    ask.set_user_attr("seconds", round(time.monotonic() - since, 3))
    return read_trial(journal.study.tell(ask, told, state=state))


def _train(
    journal: Journal, values: dict[str, Any], course: Course, folder: Path, bar: TrainingBar, stop: Deadline
) -> Trained:
    """Train by the values, or go on with such a training; the epochs that it already has count as any other."""

    def see(epoch: Epoch, plan: Plan) -> None:
        course.see(epoch.card_fields())
        bar.show_epoch(epoch, plan)

    def watch(done: float, plan: Plan) -> None:
        if stop():
            raise TimeOverError
        bar.show_batch(done, plan)

    trained = train(
        journal.problem.training(values),
        folder,
        on_epoch=see,
        on_kept=lambda epoch, plan: course.see(epoch.card_fields()),
        on_batch=watch,
        on_resume=bar.show_resumed,
    )
    for epoch in trained.card["curve"]:  # of an earlier training by the same values
        course.see(epoch)
    return trained


def read_trial(trial: FrozenTrial) -> Trial:
    """Return what the journal says of a trial that is done."""
    said, state = trial.user_attrs, STATES[trial.state]
    epochs = said.get("epochs", [])
    reason = said.get("reason")
    if state == "pruned":
        reason = f"after epoch {len(epochs)}"
    return Trial(
        int(said[PLACE]) + 1,
        state,
        said.get("values", {}),
        said.get("recipe", ""),
        said.get("model", ""),
        said.get("figures", {}),
        epochs,
        said.get("seconds", 0.0),
        said.get("weights"),
        reason,
    )


def read_study(journal: Journal, planned: int, settings: dict[str, Any]) -> Study:
    """Return what the study has found so far; what mattered is told of a whole study alone."""
    trials = tuple(read_trial(trial) for trial in journal.finished())
    return Study(journal.folder.name, trials, max(planned, len(trials)), settings)


def _figures(epoch: dict[str, Any]) -> dict[str, float]:
    return {name: epoch[name] for name in FIGURES if epoch.get(name) is not None}


def _describe(error: Exception) -> str:
    """Return why a trial failed, in one line."""
    if isinstance(error, DivergedError):
        return str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error):
        return f"out of memory ({first_line(error)}); a smaller batch or model needs less"
    return first_line(error) if isinstance(error, ValueError) else describe_user_error(error)


def _free_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
