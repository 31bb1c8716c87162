"""The trials of a study in a journal file, by Optuna: which values come next, which are done, and which died.

A trial has a place, from 0 on. Its values depend on the seed, its place and the trials that are done, and not on how
often the study was stopped: a trial that a killed process left behind is set aside, and its place is given out again.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from robust.attacks.files import read_content
from robust.attacks.text import first_line
from robust.records.files import write
from robust.tuning.problem import Problem
from robust.tuning.space import Choice, Range

FILE = "journal.log"
PLACE, DEAD, PROCESS, SETTINGS = "place", "dead", "process", "settings"  # keys of what a trial, or the study, says
DONE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
STARTUP = 5  # trials that are trained to their end before any is pruned


class _Lock:
    """A lock that the system releases when its process is killed; Optuna's own would stay for half a minute."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path)

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


class Journal:
    """The journal of a study, in its folder."""

    def __init__(self, folder: Path, problem: Problem, sampler: str) -> None:
        """Open the journal, or begin it; ValueError if the file is damaged."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder, self.problem, self.sampler = folder, problem, sampler
        path = folder / FILE
        _cut_torn_line(path)
        try:
            storage = JournalStorage(JournalFileBackend(str(path), _Lock(folder / ".journal.lock")))
            self.study = optuna.create_study(
                storage=storage,
                study_name=folder.name,
                directions=["maximize"] * len(problem.objectives),
                pruner=self._make_pruner(),
                load_if_exists=True,
            )
        except Exception as error:  # a file that was written over may raise anything
            raise ValueError(f"{path} is damaged ({first_line(error)}); remove it, or give --name=NAME") from error

    def _make_pruner(self) -> BasePruner:
        """Return what ends a trial after an epoch; Optuna has nothing for two objectives."""
        return MedianPruner(n_startup_trials=STARTUP) if self.prunes else NopPruner()

    @property
    def prunes(self) -> bool:
        """Whether trials are ended early."""
        return len(self.problem.objectives) == 1

    def agree(self, settings: dict[str, Any]) -> None:
        """Keep the settings with a new study; ValueError, in one line, if the study was begun with others."""
        kept = self.study.user_attrs.get(SETTINGS)
        if kept is None:
            self.study.set_user_attr(SETTINGS, settings)
        elif kept != settings:
            other = ", ".join(_list_differences(kept, settings))
            raise ValueError(
                f"{self.folder} was begun with another {other}, so its trials cannot be compared with new ones; "
                "give --name=NAME to begin another study, or remove that folder"
            )

    def set_dead_aside(self) -> int:
        """Set aside the trials that run according to the journal, and return their number: nobody runs them now."""
        running = self.study.get_trials(states=(TrialState.RUNNING,))
        for trial in running:
            Trial(self.study, trial._trial_id).set_user_attr(DEAD, True)
            self.study.tell(trial.number, state=TrialState.FAIL)
        return len(running)

    def fail_of(self, process: int, reason: str) -> bool:
        """Set a trial that a process left behind as failed, for this reason; return whether there is one."""
        for trial in self.study.get_trials(states=(TrialState.RUNNING,)):
            if trial.user_attrs.get(PROCESS) == process:
                Trial(self.study, trial._trial_id).set_user_attr("reason", reason)
                self.study.tell(trial.number, state=TrialState.FAIL)
                return True
        return False

    def finished(self) -> list[FrozenTrial]:
        """Return the trials that are done, by their places."""
        trials = self.study.get_trials(states=DONE)
        return sorted((t for t in trials if DEAD not in t.user_attrs), key=lambda t: int(t.user_attrs[PLACE]))

    def claim(self, trials: int) -> Trial | None:
        """Return a trial at the lowest place below `trials` that is free, with its values; None if none is."""
        with FileLock(self.folder / ".claim.lock"):
            listed = self.study.get_trials()
            taken = {t.user_attrs.get(PLACE) for t in listed if DEAD not in t.user_attrs}
            place = next((place for place in range(trials) if place not in taken), None)
            if place is None:
                return None
            self.study.sampler = make_sampler(self.sampler, self.problem.seed, place)
            trial = self.study.ask({name: distribute(part) for name, part in self.problem.space.items()})
            trial.set_user_attr(PROCESS, os.getpid())
            trial.set_user_attr(PLACE, place)
            return trial

    def read_values(self, trial: Trial | FrozenTrial) -> dict[str, Any]:
        """Return the values of a trial as it is trained with them."""
        values: dict[str, Any] = {}
        for name, part in self.problem.space.items():
            drawn = trial.params[name]
            values[name] = part.values[drawn] if isinstance(part, Choice) else part.round(drawn)
        return values

    def rank_importance(self) -> dict[str, dict[str, float]]:
        """Return, by objective, the share of each option in how the finished trials differ; {} where nothing shows."""
        found = {}
        for k, objective in enumerate(self.problem.objectives):
            try:
                found[objective] = optuna.importance.get_param_importances(
                    self.study,
                    evaluator=optuna.importance.FanovaImportanceEvaluator(seed=self.problem.seed),
                    target=lambda trial, k=k: trial.values[k],
                )
            except (ValueError, RuntimeError, ZeroDivisionError):  # fewer than two trials, or all of one value
                continue
        return {name: shares for name, shares in found.items() if shares}


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other commands from a study for the length of a block; ValueError if one works on it."""
    lock = FileLock(folder / ".study.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"another process tunes in {folder}; wait for it, or give --name=NAME") from None
    try:
        yield
    finally:
        lock.release()


def make_sampler(name: str, seed: int, place: int) -> BaseSampler:
    """Return what draws the values of the trial at this place."""
    digest = hashlib.sha256(f"{seed}/{place}".encode()).digest()
    number = int.from_bytes(digest[:4], "big")
    return TPESampler(seed=number) if name == "tpe" else RandomSampler(seed=number)


def distribute(part: Range | Choice) -> BaseDistribution:
    """Return Optuna's form of a range or a list; of a list it is the places in it."""
    if isinstance(part, Choice):
        return CategoricalDistribution(tuple(range(len(part.values))))
    if part.whole:
        return IntDistribution(int(part.low), int(part.high), part.log, int(part.step or 1))
    return FloatDistribution(part.low, part.high, part.log, part.step)


def _cut_torn_line(path: Path) -> None:
    """Remove the end of a line that a killed process began to write."""
    content = read_content(path) if path.exists() else b""
    if content and not content.endswith(b"\n"):
        write(path, content[: content.rfind(b"\n") + 1])


def _list_differences(kept: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Yield the settings that differ, of the space the options that do."""
    for key in sorted({*kept, *now}):
        before, after = kept.get(key), now.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
            yield f"{key} ({', '.join(names)})"
        else:
            yield key
