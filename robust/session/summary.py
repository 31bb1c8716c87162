"""The plugin's section at the end of pytest's output."""

import os
from pathlib import Path

import pytest

from robust.attacks.text import printable
from robust.records.record import Record
from robust.records.store import describe_fates as fates_told
from robust.report.board import boards
from robust.report.terminal import doubts, terminal
from robust.session.results import Results
from robust.train.card import describe_card


def summarise(
    reporter: "pytest.TerminalReporter", results: Results, failures: list[str], folder: Path, notes: dict[str, str]
) -> None:
    """The boards of this run, how models were loaded and trained, the files, and what failed.

    Paths are from `folder`; `notes` are on models, by their words.
    """
    records, unfinished, warnings = results.records(), results.unfinished(), results.warnings
    if not (records or failures or unfinished or warnings or results.compared):
        return
    reporter.ensure_newline()
    reporter.section("robustness")
    for board in boards(records):
        reporter.write_line(terminal(board, reporter._tw.fullwidth))
        reporter.write_line("")
    for record in records:
        for line in doubts(record):
            reporter.write_line(line, yellow=True)
    for model, note in notes.items():
        reporter.write_line(f"loaded {printable(model)}: {note}")
    for line in verified(records):
        reporter.write_line(line)
    for trained in results.trained():
        reporter.write_line(f"trained by {describe_card(trained['card'])}: {_short(Path(trained['path']), folder)}")
        for note in trained["card"]["notes"]:
            reporter.write_line(f"  {note}", yellow=True)
    if results.files:
        files = ", ".join(_short(path, folder) for path in results.files)
        reporter.write_line(f"leaderboard ({fates_told(results.fates())}): {files}")
    for line in results.compared:
        reporter.write_line(line)
    if results.saved:
        reporter.write_line(results.saved)
    for line in unfinished:
        reporter.write_line(line, yellow=True)
    for line in warnings:
        reporter.write_line(f"WARNING {line}", yellow=True, bold=True)
    for line in failures:
        reporter.write_line(f"FAILED {line}", red=True)


def verified(records: list[Record]) -> list[str]:
    """What was verified, and what cannot be."""
    told = [(record, record.provenance.get("verified", {})) for record in records]
    fresh = sum(said.get("fresh", 0) for _, said in told)
    anew = f", {fresh} inputs also in a fresh process" if fresh else ""
    missing = (
        f"not in a fresh process: {record.model.name} ({record.model.training}), {record.threat}: {said['reason']}"
        for record, said in told
        if "reason" in said
    )
    lines = [f"verified: what is broken, in other batches{anew}; what stands cannot be verified", *missing]
    return lines if records else []


def _short(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else os.path.relpath(path, folder)
