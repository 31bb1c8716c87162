"""One trial, trained on digits: what it tells, and what becomes of one that is killed, falls behind or fails."""

import math
from dataclasses import replace

import pytest
import torch
from optuna.pruners import BasePruner
from optuna.trial import TrialState
from torch import nn

from robust.evaluation.time_limit import Deadline
from robust.progress import Bar, TrainingBar
from robust.tuning.space import Choice
from robust.tuning.trial import TimeOverError, run_trial
from tests.tuning.making import journal, make

BAR = TrainingBar(Bar("trial"))
FOREVER = Deadline(math.inf)


def run(study, folder, trials=1, stop=FOREVER):
    return run_trial(study, study.claim(trials), folder / "models", BAR, stop)


class After(BasePruner):
    """Prunes every trial after this epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def prune(self, study, trial):
        return trial.last_step >= self.epoch


def test_a_trial_tells_its_best_epoch_and_every_epoch(tmp_path):
    study = journal(tmp_path / "study")
    trial = run(study, tmp_path)
    (kept,) = study.study.trials

    assert (trial.number, trial.state, trial.reason) == (1, "finished", None)
    assert trial.values == study.read_values(kept)
    assert trial.recipe == "fgsm-rs:batch={batch}:epochs=2:lr={lr}:smoothing={smoothing}".format(**trial.values)
    assert trial.figures["robust"] == kept.value == max(epoch["robust"] for epoch in trial.epochs)
    assert kept.intermediate_values == {epoch["number"]: epoch["robust"] for epoch in trial.epochs}
    assert (tmp_path / "models" / trial.weights).is_file()


class Stopped(Deadline):
    """A deadline that passes when it was asked so often."""

    def __init__(self, times):
        super().__init__(math.inf)
        self.times = times

    def __call__(self):
        self.times -= 1
        return self.times < 0


def test_a_trial_that_was_stopped_goes_on_where_it_was_and_ends_as_if_it_had_not_been(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = run(journal(tmp_path / "whole" / "study"), tmp_path / "whole")
    with pytest.raises(TimeOverError):  # in the second epoch
        run(journal(tmp_path / "study"), tmp_path, stop=Stopped(40))
    (saved,) = (tmp_path / "models" / ".unfinished").glob("*.pt")
    study = journal(tmp_path / "study")
    assert study.set_dead_aside() == 1
    again = run(study, tmp_path)

    assert replace(again, seconds=whole.seconds) == whole
    assert len(again.epochs) == 2
    assert study.study.trials[-1].intermediate_values == {epoch["number"]: epoch["robust"] for epoch in whole.epochs}
    assert not saved.exists()


def test_a_trial_that_falls_behind_ends_after_the_epoch_and_leaves_nothing(tmp_path):
    study = journal(tmp_path / "study")
    study.study.pruner = After(1)
    trial = run(study, tmp_path)

    assert (trial.state, trial.reason, len(trial.epochs), trial.figures) == ("pruned", "after epoch 1", 1, {})
    assert study.study.trials[0].state == TrialState.PRUNED
    assert not [*(tmp_path / "models").rglob("*.pt"), *(tmp_path / "models").rglob("*.safetensors")]


def test_a_trial_is_pruned_alike_if_its_training_is_there_already(tmp_path):
    run(journal(tmp_path / "first"), tmp_path)
    study = journal(tmp_path / "second")
    study.study.pruner = After(1)

    assert run(study, tmp_path).reason == "after epoch 1"


class Failing(nn.Sequential):
    """A network that cannot be trained."""

    def __init__(self, error):
        super().__init__(*make())
        self.error = error

    def forward(self, x):
        if self.training:
            raise self.error
        return super().forward(x)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to"),
            "out of memory (CUDA out of memory. Tried to); a smaller",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory (DefaultCPUAllocator"),
        (TypeError("of the user's\nsecond line"), "TypeError: of the user's (test_trial.py, line "),
    ],
    ids=["gpu", "cpu", "user"],
)
def test_what_a_training_raises_fails_the_trial_and_not_the_study(tmp_path, error, told):
    study = journal(tmp_path / "study")
    study.problem = replace(study.problem, make=lambda spec: lambda: Failing(error))
    trial = run(study, tmp_path)

    assert trial.state == "failed"
    assert trial.reason.startswith(told)
    assert study.claim(1) is None


def test_a_training_that_diverges_is_a_failed_trial(tmp_path):
    study = journal(tmp_path / "study", space={"lr": Choice((1e30,))})

    assert run(study, tmp_path).reason.startswith("training diverged: ")


def test_two_objectives_are_of_the_epoch_that_is_kept_and_nothing_is_pruned(tmp_path):
    study = journal(tmp_path / "study", objectives=("clean", "robust"))
    trial = run(study, tmp_path)

    assert study.study.trials[0].values == [trial.figures["clean"], trial.figures["robust"]]
    assert not study.prunes
    assert trial.figures["robust"] == max(epoch["robust"] for epoch in trial.epochs)
