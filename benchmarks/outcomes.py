"""Outcomes of attacks on a network: one file of JSON a network, kept, so that a comparison can go on."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one attack, or suite, on the images that a network answers right."""

    left: tuple[int, ...]  # those of them that it did not break
    forwards: int  # samples that went through the model
    backwards: int
    seconds: float  # of processor time
    inputs: str  # a digest of what determines it; with another it is measured again

    def agrees(self, other: "Outcome") -> bool:
        """Whether the other left the same images after the same passes."""
        return (self.left, self.forwards, self.backwards) == (other.left, other.forwards, other.backwards)


@dataclass(frozen=True, slots=True)
class Run:
    """The outcomes on a network in one threat model, by the attack's name."""

    threat: str
    n: int  # images
    right: int  # of them, that are answered right and attacked
    outcomes: dict[str, Outcome]

    def outdated(self, inputs: dict[str, str]) -> list[str]:
        """Return those of the attacks, given with their digests, that are missing or were measured on other inputs."""
        kept = {name: outcome.inputs for name, outcome in self.outcomes.items()}
        return [name for name, digest in inputs.items() if kept.get(name) != digest]

    def robust(self, name: str) -> float:
        """Return the robust accuracy under an attack, in percent of all images."""
        return 100 * len(self.outcomes[name].left) / self.n


def read_runs(path: Path) -> dict[str, Run]:
    """Return a network's runs by their threat models; none if the file does not exist."""
    if not path.exists():
        return {}
    return {threat: _run(threat, entry) for threat, entry in json.loads(path.read_text("utf-8")).items()}


def write_run(path: Path, run: Run) -> None:
    """Put a run into a network's file, in the place of an earlier one in that threat model."""
    runs = read_runs(path) | {run.threat: run}
    content = {threat: asdict(each) for threat, each in runs.items()}
    for entry in content.values():
        del entry["threat"]
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(content, separators=(",", ":")).replace('},"', '},\n"') + "\n", "utf-8")
    beside.replace(path)


def mean_time(turns: Iterable[Outcome]) -> Outcome:
    """Return an outcome that was measured in several turns with the mean of their times."""
    turns = list(turns)
    return replace(turns[0], seconds=round(sum(turn.seconds for turn in turns) / len(turns), 3))


def _run(threat: str, entry: dict[str, Any]) -> Run:
    outcomes = {
        name: Outcome(**{**outcome, "left": tuple(outcome["left"])}) for name, outcome in entry["outcomes"].items()
    }
    return Run(threat, entry["n"], entry["right"], outcomes)
