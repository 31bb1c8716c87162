"""A study of `robust tune` as lines for a terminal, and its best trials as TOML."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from robust.attacks.text import format_seconds
from robust.records.tuning import Study, Trial

SHOWN = 10  # trials in the table of the terminal


def describe_trial(trial: Trial, planned: int) -> str:
    """Return one line on a trial: its values, and what came of it."""
    values = ", ".join(f"{name} = {value}" for name, value in trial.values.items())
    return f"trial {trial.number}/{planned}: {values}: {describe_end(trial)}, {format_seconds(trial.seconds)}"


def describe_end(trial: Trial) -> str:
    """Return the figures of a trial, or how it ended without."""
    if trial.state == "finished":
        return describe_figures(trial)
    return f"{trial.state} {trial.reason}" if trial.state == "pruned" else f"failed: {trial.reason}"


def describe_figures(trial: Trial) -> str:
    """Return the accuracies of a trial's best epoch on validation."""
    return ", ".join(f"{name} {share:.1%}" for name, share in trial.figures.items())


def count_trials(study: Study) -> str:
    """Return how many trials there are, by how they ended."""
    counts = [f"{n} {state}" for state in ("finished", "pruned", "failed") if (n := len(study.list_by(state)))]
    return f"{len(study.trials)} of {study.planned} trials: {', '.join(counts) or 'none yet'}"


def describe_none(study: Study) -> str:
    """Return one line on a study of which no trial finished, and what to do."""
    first = next((trial for trial in study.trials if trial.reason), None)
    why = f"; trial {first.number}: {first.reason}" if first else ""
    return f"no trial finished ({count_trials(study)}){why}; narrow the space, or take another recipe"


def table(study: Study) -> str:
    """Return the best trials as a table, and under it which options mattered."""
    names = study.varying
    first, *rest = study.objectives
    columns = [*dict.fromkeys((first, *rest, "clean"))]
    ranked = rank(study)
    rows = [["trial", *(f"{name} %" for name in columns), "seconds", *names]]
    for trial in ranked[:SHOWN]:
        figures = [f"{100 * trial.figures[name]:.1f}" for name in columns]
        mark = "*" if len(study.objectives) > 1 and trial in study.front else ""
        values = [str(trial.values[name]) for name in names]
        rows.append([f"{trial.number}{mark}", *figures, f"{trial.seconds:.0f}", *values])
    lines = [count_trials(study), *(f"  {line}" for line in _align(rows) if ranked)]
    if len(study.objectives) > 1 and ranked:
        lines.append(f"  * no other trial is as good in {' and '.join(study.objectives)}: the front")
    if len(ranked) > SHOWN:
        lines.append(f"  and {len(ranked) - SHOWN} more; the page and the JSON have all")
    lines += [f"  trial {t.number} failed: {t.reason}" for t in study.list_by("failed")[:SHOWN]]
    lines += [f"  importance for {name}: {describe_shares(shares)}" for name, shares in study.importance.items()]
    return "".join(f"{line}\n" for line in lines)


def rank(study: Study) -> list[Trial]:
    """Return the finished trials, the best in the first objective first."""
    return sorted(study.list_by("finished"), key=lambda t: (*(-t.figures[name] for name in study.objectives), t.number))


def describe_shares(shares: Mapping[str, float]) -> str:
    """Return the importance of each option, the largest first."""
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {share:.0%}" for name, share in ordered)


def write_toml(options: Mapping[str, Any], *comments: str) -> str:
    """Return a recipe's options as the TOML that `config=FILE` of a recipe reads, below these comments."""
    lines = [*(f"# {' '.join(comment.split())}" for comment in comments)]
    lines += [f"{name} = {_toml(value)}" for name, value in sorted(options.items())]
    return "".join(f"{line}\n" for line in lines)


def _toml(value: Any) -> str:
    return repr(value) if isinstance(value, float) else json.dumps(value)


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines, each column as wide as its widest cell."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
