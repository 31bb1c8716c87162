"""The whole step: run pytest, and make files, outputs, the summary and annotations of its outcome."""

import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from robust.action import NOTES
from robust.action.annotate import annotate, clean, format_annotation
from robust.action.comment_data import to_numbers
from robust.action.inputs import Inputs, read_inputs
from robust.action.outcome import Failure, Outcome, load
from robust.action.sarif import to_sarif
from robust.action.summary import format_refusal, format_summary
from robust.records.files import write
from robust.report.badge import shields, svg

USAGE_ERROR = 4  # pytest's exit status if its arguments are wrong


def run_step(environment: Mapping[str, str], out: TextIO, err: TextIO) -> int:
    """Run the step. Returns pytest's exit status: 0; 1 if a gate failed; 4 if an input is wrong."""
    try:
        inputs = read_inputs(environment)
    except ValueError as error:
        return _refuse(str(error), environment, out)
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes.json"
        status, usage_error = _run(inputs, {**environment, NOTES: str(notes)}, out, err)
        if status == USAGE_ERROR:
            return _refuse(usage_error or "pytest refused its arguments; the log tells why", environment, out)
        outcome = _read(notes, status)
    _report(inputs.report, outcome, environment)
    _outputs(environment, _figures(outcome) | {"report-dir": str(inputs.report)})
    _append(environment, "GITHUB_STEP_SUMMARY", format_summary(outcome))
    out.writelines(f"{line}\n" for line in annotate(outcome))
    out.flush()
    return outcome.status


def _run(inputs: Inputs, environment: Mapping[str, str], out: TextIO, err: TextIO) -> tuple[int, str]:
    """Run pytest. Returns (its exit status, its usage error or "").

    What the model under test prints must not become a command of the step: commands are stopped meanwhile, until a
    token that cannot be guessed.
    """
    token = secrets.token_hex(16)
    out.write(f"::stop-commands::{token}\n")
    out.flush()
    # -P as in action.yml: `pytest` itself puts no working directory in front of what is installed either.
    command = [sys.executable, "-P", "-m", "pytest", "-p", "robust.action.pytest_plugin", *inputs.arguments]
    error = ""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stderr is not None
        while line := process.stderr.readline(1 << 16):
            err.write(line)
            match = re.match(r"ERROR: (?!usage: )(.+)|.*: error: (.+)", line)
            error = (match[1] or match[2]) if match else error
    err.flush()
    out.write(f"\n::{token}::\n")
    out.flush()
    return (process.returncode if process.returncode >= 0 else 128 - process.returncode), error


def _read(notes: Path, status: int) -> Outcome:
    """Read the outcome. A run that was killed, or that found no test, has a status and nothing else."""
    try:
        outcome = load(notes, status)
    except (OSError, ValueError):
        outcome = Outcome(status or 1)
    reasons = {2: "the run was interrupted", 3: "pytest had an internal error", 5: "there was no test to run"}
    if outcome.status and not outcome.failures:
        text = reasons.get(outcome.status, f"the run ended with exit status {outcome.status}; the log tells why")
        outcome.failures.append(Failure(text))
    return outcome


def _refuse(message: str, environment: Mapping[str, str], out: TextIO) -> int:
    """Say in one line what is wrong, and write nothing else. Returns the exit status."""
    message = " ".join(clean(message).split("\n"))
    _outputs(environment, {"passed": "false"})
    _append(environment, "GITHUB_STEP_SUMMARY", format_refusal(message))
    out.write(f"{format_annotation('error', Failure(message))}\n")
    out.flush()
    return USAGE_ERROR


def _report(folder: Path, outcome: Outcome, environment: Mapping[str, str]) -> None:
    """Write the files of the report beside the leaderboard, which the run has written there."""
    folder.mkdir(parents=True, exist_ok=True)
    workflow = re.match(r"[^/]+/[^/]+/(.+?)@", environment.get("GITHUB_WORKFLOW_REF", ""))
    files = {"numbers.json": to_numbers(outcome), "results.sarif": to_sarif(outcome, workflow[1] if workflow else "")}
    if outcome.worst:
        files |= {"badge.json": shields(outcome.worst.row), "badge.svg": svg(outcome.worst.row)}
    for name, content in files.items():
        write(folder / name, content.encode())


def _figures(outcome: Outcome) -> dict[str, str]:
    """Return the outputs that are figures: those of the least robust row."""
    words = {True: "true", False: "false", None: ""}
    outputs = {"passed": words[outcome.status == 0], "regressed": words[outcome.regressed]}
    if outcome.worst:
        row = outcome.worst.row
        figures = {"clean-accuracy": row.clean, "robust-accuracy": row.robust, "robust-accuracy-low": row.low}
        outputs |= {name: f"{figure:.2f}" for name, figure in figures.items()}
    return outputs


def _outputs(environment: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Write the outputs. No value has several lines: figures are ours, and the folder is one line of the inputs."""
    _append(environment, "GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in values.items()))


def _append(environment: Mapping[str, str], name: str, text: str) -> None:
    """Append to the file that GitHub names; do nothing if it names none, as on a terminal."""
    if path := environment.get(name):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
