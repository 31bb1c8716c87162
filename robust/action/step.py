"""The whole step: pytest is run, and what it noted becomes files, outputs, the summary and annotations."""

import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from robust.action import NOTES
from robust.action.annotate import annotation, annotations, clean
from robust.action.comment_data import numbers
from robust.action.inputs import Inputs, read_inputs
from robust.action.outcome import Failure, Outcome, load
from robust.action.sarif import sarif
from robust.action.summary import refusal, summary
from robust.report.badge import shields, svg

WRONG = 4  # pytest's exit status where what was asked for is wrong


def gate(environment: Mapping[str, str], out: TextIO, err: TextIO) -> int:
    """Returns pytest's exit status: 0; 1 where a gate failed; 4 where an input is wrong."""
    try:
        inputs = read_inputs(environment)
    except ValueError as error:
        return _refused(str(error), environment, out)
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes.json"
        status, said = _run(inputs, {**environment, NOTES: str(notes)}, out, err)
        if status == WRONG:
            return _refused(said or "pytest refused its arguments; the log tells why", environment, out)
        outcome = _read(notes, status)
    _report(inputs.report, outcome, environment)
    _outputs(environment, _figures(outcome) | {"report-dir": str(inputs.report)})
    _append(environment, "GITHUB_STEP_SUMMARY", summary(outcome))
    out.writelines(f"{line}\n" for line in annotations(outcome))
    out.flush()
    return outcome.status


def _run(inputs: Inputs, environment: Mapping[str, str], out: TextIO, err: TextIO) -> tuple[int, str]:
    """(exit status, the usage error that it told, if any).

    What the model under test prints must not become a command of the step: commands are stopped meanwhile, until a word
    that cannot be guessed.
    """
    word = secrets.token_hex(16)
    out.write(f"::stop-commands::{word}\n")
    out.flush()
    # -P as in action.yml: `pytest` itself puts no working directory in front of what is installed either.
    command = [sys.executable, "-P", "-m", "pytest", "-p", "robust.action.pytest_plugin", *inputs.arguments]
    said = ""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stderr is not None
        while line := process.stderr.readline(1 << 16):
            err.write(line)
            found = re.match(r"ERROR: (?!usage: )(.+)|.*: error: (.+)", line)
            said = (found[1] or found[2]) if found else said
    err.flush()
    out.write(f"\n::{word}::\n")
    out.flush()
    return (process.returncode if process.returncode >= 0 else 128 - process.returncode), said


def _read(notes: Path, status: int) -> Outcome:
    """Of a run that was killed, or found no test, there is a status and nothing else."""
    try:
        outcome = load(notes, status)
    except (OSError, ValueError):
        outcome = Outcome(status or 1)
    told = {2: "the run was interrupted", 3: "pytest had an internal error", 5: "there was no test to run"}
    if outcome.status and not outcome.failures:
        text = told.get(outcome.status, f"the run ended with exit status {outcome.status}; the log tells why")
        outcome.failures.append(Failure(text))
    return outcome


def _refused(message: str, environment: Mapping[str, str], out: TextIO) -> int:
    """One line, and nothing is written but that."""
    message = " ".join(clean(message).split("\n"))
    _outputs(environment, {"passed": "false"})
    _append(environment, "GITHUB_STEP_SUMMARY", refusal(message))
    out.write(f"{annotation('error', Failure(message))}\n")
    out.flush()
    return WRONG


def _report(folder: Path, outcome: Outcome, environment: Mapping[str, str]) -> None:
    """Beside the leaderboard, which the run has written there."""
    folder.mkdir(parents=True, exist_ok=True)
    workflow = re.match(r"[^/]+/[^/]+/(.+?)@", environment.get("GITHUB_WORKFLOW_REF", ""))
    files = {"numbers.json": numbers(outcome), "results.sarif": sarif(outcome, workflow[1] if workflow else "")}
    if outcome.worst:
        files |= {"badge.json": shields(outcome.worst.row), "badge.svg": svg(outcome.worst.row)}
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")


def _figures(outcome: Outcome) -> dict[str, str]:
    """The outputs that are figures; of the least robust row."""
    words = {True: "true", False: "false", None: ""}
    found = {"passed": words[outcome.status == 0], "regressed": words[outcome.regressed]}
    if outcome.worst:
        row = outcome.worst.row
        figures = {"clean-accuracy": row.clean, "robust-accuracy": row.robust, "robust-accuracy-low": row.low}
        found |= {name: f"{figure:.2f}" for name, figure in figures.items()}
    return found


def _outputs(environment: Mapping[str, str], values: Mapping[str, str]) -> None:
    """No value has lines of its own: figures are ours, and the folder is one line of the inputs."""
    _append(environment, "GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in values.items()))


def _append(environment: Mapping[str, str], name: str, text: str) -> None:
    """To the file that GitHub names; where it names none, as on a terminal, there is nobody to tell."""
    if path := environment.get(name):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
