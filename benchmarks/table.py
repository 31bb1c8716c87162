"""Write rows as Markdown."""

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version

import torch

from benchmarks.duel import SLACK_POINTS, SLACK_RATIO, Row, Side
from robust.attacks import LpThreat

HEADS = ("model", "attack", "threat", "peer", "n", "figure", "forwards", "backwards", "seconds", "holds")
LEGEND = (
    "Each pair is ours / theirs. If the threat model has a radius, the figure is the robust accuracy in percent of all "
    "n images; otherwise it is the median distance for the images that the model classifies correctly. Lower is "
    "stronger, and the same code judges both sides. Forwards and backwards are the samples sent through the model per "
    "attacked image; seconds are processor time. A row holds if our robust accuracy is at most "
    f"{SLACK_POINTS} points above theirs, or our median distance at most {SLACK_RATIO} times theirs."
)


def page(title: str, legend: str, lines: Iterable[str], seed: int, packages: Sequence[str]) -> str:
    """Return a page of figures with the machine, the packages and the seed."""
    return "\n".join([f"# {title}", "", legend, "", *lines, "", f"{machine(packages)} Seed {seed}."]) + "\n"


def references(rows: Iterable[Row]) -> list[str]:
    return markdown(HEADS, (cells(row) for row in rows), words=4)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> list[str]:
    """Return the lines of a table whose first `words` columns are text and the others numbers."""
    rule = [":---" if k < words else "---:" for k in range(len(heads))]
    return [f"| {' | '.join(line)} |" for line in (heads, rule, *rows)]


def cells(row: Row) -> list[str]:
    duel, pair = row.duel, (row.ours, row.theirs)
    figure = _percent if isinstance(duel.threat, LpThreat) else _distance
    return [
        row.model,
        f"{duel.attack} (`{duel.ours}`)",
        str(duel.threat),
        duel.peer,
        str(duel.n),
        *(" / ".join(map(show, pair)) for show in (figure, _forwards, _backwards, _seconds)),
        "yes" if row.holds else "**no**",
    ]


def _percent(side: Side) -> str:
    return f"{side.figure:.1f} %"


def _distance(side: Side) -> str:
    return f"{side.figure:.4f}"


def _forwards(side: Side) -> str:
    return f"{side.forwards:.0f}"


def _backwards(side: Side) -> str:
    return f"{side.backwards:.0f}"


def _seconds(side: Side) -> str:
    return f"{side.seconds:.1f}"


def machine(packages: Sequence[str]) -> str:
    """Return the machine and the versions of packages, in one sentence."""
    threads = torch.get_num_threads()
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    cores = f"{platform.machine()}, {os.cpu_count()} cores"
    return f"{cores}, {threads} thread{'s' * (threads > 1)}, Python {platform.python_version()}, {versions}."
