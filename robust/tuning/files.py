"""The files of a study: its records, its page, and the options of its best trials as TOML."""

from collections.abc import Callable
from pathlib import Path

from robust.records.files import write
from robust.records.tuning import Study, Trial
from robust.report.page.tuning import tuning_page
from robust.report.tuning import describe_figures, write_toml
from robust.tuning.problem import Problem

RECORDS, PAGE, BEST = "study.json", "page.html", "best.toml"


def name_toml(study: Study, trial: Trial) -> str:
    """Return the name of the file with a best trial's options; on a front of two objectives it has the number."""
    return BEST if len(study.objectives) == 1 else f"front-{trial.number}.toml"


def write_files(folder: Path, study: Study, problem: Problem, command: Callable[[Trial], str]) -> None:
    """Write all files of a study into its folder; `command` returns the command that trains as a trial did."""
    write(folder / RECORDS, study.to_json().encode())
    write(folder / PAGE, tuning_page(study).encode())
    written = set()
    for trial in study.front:
        path = folder / name_toml(study, trial)
        head = f"Trial {trial.number} of {study.planned} of {study.name}; on validation: {describe_figures(trial)}."
        write(path, write_toml(problem.list_options(trial.values), head, command(trial)).encode())
        written.add(path)
    for path in {folder / BEST, *folder.glob("front-*.toml")} - written:
        path.unlink(missing_ok=True)
