"""The plugin's section at the end of pytest's output."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from robust.attacks.text import printable
from robust.gates import Measured
from robust.records.record import Record
from robust.records.store import describe_fates
from robust.report.board import boards
from robust.report.terminal import describe_findings, terminal
from robust.session.payload import TrainingCard
from robust.session.results import Results
from robust.session.reverify import NAME as FRESH
from robust.train.card import describe_card


def summarise(
    reporter: "pytest.TerminalReporter", results: Results, failures: list[str], folder: Path, notes: dict[str, str]
) -> None:
    """Write the boards of this run, how models were loaded and trained, the files, and what failed.

    Paths are relative to `folder`; `notes` are on how models were loaded and data were read, by what they are on.
    """
    records, unfinished, warnings = results.list_records(), results.describe_unfinished(), results.warnings
    clean = [*results.describe_clean(), *describe_certified(results)]
    if not (records or clean or failures or unfinished or warnings or results.compared):
        return
    reporter.ensure_newline()
    reporter.section("robustness")
    for board in boards(records):
        reporter.write_line(terminal(board, reporter._tw.fullwidth, _find_sign(reporter)))
        reporter.write_line("")

    def write(lines: Iterable[str], **markup: bool) -> None:
        for line in lines:
            reporter.write_line(printable(line), **markup)

    write((line for record in records for line in describe_findings(record)), yellow=True)
    write([*clean, *(f"{subject}: {note}" for subject, note in notes.items()), *describe_verified(records)])
    for trained in results.list_trained():
        write([f"trained by {describe_card(trained.card)}: {_shorten(Path(trained.path), folder)}"])
        write(describe_report(trained, folder))
        write((f"  {note}" for note in trained.card["notes"]), yellow=True)
    write(_describe_files(results, folder))
    write((line for line in unfinished if line not in failures), yellow=True)
    write((f"WARNING {line}" for line in warnings), yellow=True, bold=True)
    write((f"FAILED {line}" for line in failures), red=True)


def describe_report(trained: TrainingCard, folder: Path) -> list[str]:
    """Return a line on where the report on a training is, if there is one."""
    path = Path(trained.path).parent / trained.card.get("report", "")
    with suppress(OSError):  # a name on a stranger's card may be too long
        if path.is_file():
            return [f"  report: {_shorten(Path(os.path.normpath(path)), folder)}"]
    return []


def _find_sign(reporter: "pytest.TerminalReporter") -> str:
    """Return the sign for "at most" that the terminal has."""
    try:
        "≤".encode(getattr(getattr(reporter._tw, "_file", None), "encoding", None) or "ascii")
    except (LookupError, UnicodeEncodeError):
        return "<="
    return "≤"


def describe_certified(results: Results) -> list[str]:
    """Return a line on each certificate that no row shows."""
    shown = {(record.model, record.threat) for record in results.list_records() if record.certificate}
    lines: dict[str, None] = {}
    for payload in results.payloads:
        model, certificate, row = payload.setup.model, payload.certificate, payload.row
        if certificate and row and (model, row.threat) not in shown:
            measured = Measured.of(int(certificate.certified.sum()), len(payload.correct))
            lines[f"{model.name} ({model.training}), {row.threat}: certified {measured} by {certificate.method}"] = None
    return [*lines]


def describe_verified(records: list[Record]) -> list[str]:
    """Return a line on what was verified, and one for each reason why a fresh process was shown no input of a row.

    A row with a finding on it is left out.
    """
    if not records:
        return []
    verified = [(record, record.provenance.get("verified", {})) for record in records]
    n_fresh = sum(content.get("fresh", 0) for _, content in verified)
    fresh = f", {n_fresh} also in a fresh process" if n_fresh else ""
    missing: dict[str, list[str]] = {}
    for record, content in verified:
        if "reason" in content and not (record.trust and record.trust.has(FRESH)):
            who = f"{record.model.name} ({record.model.training}), {record.threat}"
            missing.setdefault(content["reason"], []).append(who)
    lines = [
        f"not in a fresh process: {rows[0] if len(rows) == 1 else f'{len(rows)} rows'}: {reason}"
        for reason, rows in missing.items()
    ]
    return [f"verified: adversarial inputs, in other batches{fresh}; robust samples cannot be verified", *lines]


def _describe_files(results: Results, folder: Path) -> Iterator[str]:
    """Yield the lines on the leaderboard's files, the comparisons, and the baseline that was saved."""
    if results.files:
        files = ", ".join(_shorten(path, folder) for path in results.files)
        yield f"leaderboard ({describe_fates(results.list_fates())}): {files}"
    yield from results.compared
    if results.saved:
        yield results.saved


def _shorten(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else os.path.relpath(path, folder)
