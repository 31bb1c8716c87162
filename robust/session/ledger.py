"""The controller's part: from what the items found to records, their gates, and the leaderboard's files."""

import contextlib
import datetime
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import robust
from robust.data.dataset import Samples
from robust.record import DataUsed, ModelUsed, Record, attack_from_json, union, unpack
from robust.report.board import attack_percent, percent
from robust.report.folder import write_board
from robust.stats import wilson
from robust.store import Evidence, Fate, add, locked

Found = dict[str, Any]


@dataclass
class Ledger:
    """What was found so far, an entry for each finished item."""

    found: list[Found] = field(default_factory=list)
    filed: list[tuple[Record, Fate]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    @property
    def attacked(self) -> bool:
        """Whether any attack was run."""
        return any("attack" in found for found in self.found)

    def records(self) -> list[Record]:
        """A record for each model and threat model all of whose selected attacks were run, in the items' order."""
        return [_record(group) for group in self._groups() if _complete(group)]

    def unfinished(self) -> list[str]:
        """A line for each model and threat model some of whose attacks were not run to their end."""
        return [
            f"{group[0]['model']['name']} ({group[0]['model']['training']}), {group[0]['threat']}: "
            f"{len(group)} of {group[0]['planned']} attacks were run, so there is no row"
            for group in self._groups()
            if not _complete(group)
        ]

    def trained(self) -> list[Found]:
        """How models were trained, each once: {"card": ..., "path": ...}."""
        return [*{found["trained"]["path"]: found["trained"] for found in self.found if found["trained"]}.values()]

    def below(self, floor: float) -> list[str]:
        """A line for each record below `floor` percent only by its attacks together: alone, each has its own test."""
        together = [r for r in self.records() if 100 * r.robust.sum() < floor * r.data.n]
        return [_shortfall(r, floor) for r in together if all(attack_percent(r, a.name) >= floor for a in r.attacks)]

    def file(self, folder: Path, samples: Samples) -> None:
        """Add the records to the leaderboard and make its files anew."""
        with locked(folder):
            for group in filter(_complete, self._groups()):
                record = _record(group)
                loaded = [np.load(found["x_adv"], allow_pickle=False) for found in group]
                evidence = Evidence.of(samples, [(a.broken, x) for a, x in zip(record.attacks, loaded, strict=True)])
                self.filed.append((record, add(folder, record, evidence)))
            self.files = write_board(folder)

    def clear(self) -> None:
        """Remove the adversarial inputs that waited for their record."""
        for found in self.found:
            if found.get("x_adv"):
                path = Path(found["x_adv"])
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # other inputs wait there
                    path.parent.rmdir()

    def _groups(self) -> list[list[Found]]:
        """The findings of each row, by attack; of an item that ran twice the last counts."""
        groups: dict[tuple[object, ...], dict[str, Found]] = {}
        for found in self.found:
            if "attack" in found:
                model = found["model"]
                key = (found["path"], model["training"], model["weights"], found["threat"])
                groups.setdefault(key, {})[found["attack"]["name"]] = found
        return [[group[name] for name in sorted(group)] for group in groups.values()]


def _complete(group: list[Found]) -> bool:
    planned: int = group[0]["planned"]
    return len(group) == planned


def _record(group: list[Found]) -> Record:
    first = group[0]
    data = DataUsed(**first["data"])
    wrong = union(~unpack(found["correct"], data.n) for found in group)  # in any of the processes that measured
    return Record(
        data=data,
        model=ModelUsed(**first["model"]),
        threat=first["threat"],
        seed=first["seed"],
        correct=~wrong,
        attacks=tuple(attack_from_json(found["attack"], data.n) for found in group),
        provenance={
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "versions": {
                "pytest-robust": robust.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
            "training": first["trained"] and _how_trained(first["trained"]["card"]),
        },
    )


def _how_trained(card: dict[str, Any]) -> dict[str, Any]:
    """Of a training card what a record keeps."""
    kept = ("recipe", "options", "data", "threat", "seed", "learnt_from", "best", "minutes", "key")
    selected = {key: card["selected_by"][key] for key in ("n", "digest")}
    return {**{key: card[key] for key in kept}, "selected_by": selected}


def _shortfall(record: Record, floor: float) -> str:
    k, n = int(record.robust.sum()), record.data.n
    low, high = wilson(k, n)
    who = f"{record.model.name} ({record.model.training}), {record.threat}"
    figure = f"{percent(k, n):.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f}, {k}/{n})"
    return f"{who}: robust accuracy {figure} over {record.suite} is below the required {floor:g} %"
