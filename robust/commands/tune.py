"""`robust tune`: choose a recipe's options, and an architecture's, by the accuracy on validation."""

import argparse
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from robust.attacks.registry import suggest
from robust.attacks.text import brief, printable_lines
from robust.commands.train import write_test, write_train
from robust.commands.tune_order import Tuning, read
from robust.commands.tune_workers import PREFIX, run_workers
from robust.evaluation.time_limit import Deadline
from robust.records.files import private, refuse_links
from robust.records.tuning import Study, Trial
from robust.report.tuning import describe_figures, describe_none, table
from robust.settings.parsing import parse_whole
from robust.settings.values import read_time
from robust.tuning.cost import describe_cost
from robust.tuning.files import PAGE, RECORDS, name_toml, write_files
from robust.tuning.journal import Journal, alone
from robust.tuning.trial import read_study
from robust.tuning.work import work

DEFAULTS: dict[str, Any] = {
    **{"recipe": "pgd-at", "trials": 30, "epochs": None, "sampler": "tpe", "objectives": None},
    **{"data": "digits", "threat": None, "criterion": None, "normalize": None, "output": None, "download": False},
    **{"seed": 0, "device": "auto", "jobs": 1, "time": None, "name": None},
}
CAUTION = "the best of many looks better on validation than it is: test it on samples that chose nothing"


def main(args: argparse.Namespace) -> int:
    """Tune, and return the exit status: 1 if no trial finished."""
    try:
        tuning = read(args)
        study = run(tuning, args, say)
    except KeyboardInterrupt:
        say("interrupted; the trials that are done are kept, and the same command goes on")
        return 130
    if study.best is None:
        say(describe_none(study))
        return 1
    sys.stdout.write(printable_lines(report(tuning, study)))
    return 0


def tune(model: str, space: str | Path | Mapping[str, Any], **options: Any) -> Study:
    """Return the study of a model's and a recipe's options, as `robust tune` makes it in the working folder.

    `space` is a file, or what such a file holds. The options are those of the command by name, as trials=30,
    recipe="trades" and time="10m". ValueError or LookupError, in one line, for what is wrong.
    """
    for name in options:
        if name not in DEFAULTS:
            raise ValueError(f"robust.tune has no option {suggest(name, DEFAULTS)}")
    words = {**DEFAULTS, **options}
    for name in ("trials", "jobs", "epochs"):
        if words[name] is not None:
            words[name] = parse_whole(str(words[name]), 1)
    if words["time"] is not None:
        words["time"] = read_time(str(words["time"]))
    if isinstance(words["objectives"], list | tuple):
        words["objectives"] = ",".join(words["objectives"])
    given = dict(space) if isinstance(space, Mapping) else str(space)
    args = argparse.Namespace(model=model, space=given, **words)
    return run(read(args), args, say)


def say(line: str) -> None:
    """Write one line to the terminal, beside the bars."""
    sys.stderr.write(f"{PREFIX}{brief(line)}\n")
    sys.stderr.flush()


def run(tuning: Tuning, args: argparse.Namespace, say: Callable[[str], None]) -> Study:
    """Train the trials that are left, and write the study's files; ValueError if the study was begun otherwise."""
    stop = Deadline(math.inf if tuning.seconds is None else tuning.seconds)
    folder = tuning.folder
    refuse_links(private(folder.parent.parent), folder).mkdir(parents=True, exist_ok=True)
    with alone(folder):
        journal = Journal(folder, tuning.problem, tuning.sampler)
        journal.agree(tuning.settings)
        journal.set_dead_aside()
        study = read_study(journal, tuning.trials, tuning.settings)
        if study.trials:
            say(f"goes on in {relative(folder)}, where {count_done(len(study.trials))}")
        if cost := describe_cost(tuning.problem, tuning.samples, study, tuning.jobs):
            say(cost)
        try:
            if tuning.jobs > 1:
                run_workers(journal, args, stop, tuning)
            else:
                work(journal, tuning.trials, tuning.order.folder, stop, say)
        finally:
            study = read_study(journal, tuning.trials, tuning.settings)
            study = replace(study, importance=journal.rank_importance())
            write_files(folder, study, tuning.problem, lambda trial: write_command(tuning, trial, study))
    if len(study.trials) < tuning.trials:
        say(f"the time is over after {len(study.trials)} of {tuning.trials} trials; the same command goes on")
    return study


def report(tuning: Tuning, study: Study) -> str:
    """Return the table of a study, and for its best trial, or each of the front, where everything is."""
    lines = [table(study)]
    for trial in study.front:
        weights = relative(tuning.order.folder / str(trial.weights))
        lines += [
            f"trial {trial.number}: {describe_figures(trial)} on validation; {trial.recipe}\n",
            f"  recipe:  {relative(tuning.folder / name_toml(study, trial))}\n",
            f"  train:   {write_command(tuning, trial, study)}\n",
            f"  weights: {weights}\n",
            f"  test it: {write_test(tuning.order, trial.model, weights)}\n",
        ]
    lines.append(f"page: {relative(tuning.folder / PAGE)}; records: {relative(tuning.folder / RECORDS)}; {CAUTION}\n")
    return "".join(lines)


def write_command(tuning: Tuning, trial: Trial, study: Study) -> str:
    """Return the command that trains as a trial did, by the file with its options."""
    path = relative(tuning.folder / name_toml(study, trial))
    return write_train(tuning.order, trial.model, f"{tuning.problem.recipe.name}:config={path}")


def count_done(trials: int) -> str:
    """Return how many trials are done, in words."""
    return f"{trials} trial{'s are' if trials > 1 else ' is'} done"


def relative(path: Path) -> Path:
    """Return a path as seen from the working folder."""
    return Path(os.path.relpath(path))
