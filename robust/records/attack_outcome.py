"""The outcome of an attack or a suite for each sample, and its JSON. No torch."""

import json
from dataclasses import dataclass, field
from typing import Any

from robust.flags import Flags
from robust.records.columns import Columns, read_columns, take_flags, write_columns
from robust.records.moved import Moved, moved_from_json, moved_to_json


@dataclass(frozen=True)
class StageOutcome:
    """The state of a suite after a stage; all fields except `n` count from the suite's beginning."""

    attack: str  # of the stage
    n: int  # samples that the stage attacked
    adversarial: int  # samples, after this stage
    forwards: int
    backwards: int
    seconds: float


@dataclass(frozen=True)
class AttackOutcome:
    """The outcome of an attack or a suite that was started on all samples that the model answers right."""

    name: str  # "pgd:steps=40", or "standard-1"
    options: dict[str, Any]  # all of them, the defaults included
    adversarial: Flags  # (n,)
    forwards: int
    backwards: int
    seconds: float
    stages: tuple[StageOutcome, ...] = ()  # of a suite, those that were run to their end
    partial: str = ""  # why it was stopped before its end; "" if it was not
    rounded: Flags | None = None  # (n,): adversarial also after the input is rounded to the record's levels
    columns: Columns = field(default_factory=dict)  # more values for each of the n samples
    asked: int = 0  # the most queries that a sample took; 0 where they are not counted: see queries.py
    moved: tuple[Moved, ...] = ()  # of a table: what the adversarial inputs changed, the most moved feature first


def attack_to_json(attack: AttackOutcome) -> dict[str, Any]:
    """Return the outcome as JSON can hold it, without what is empty."""
    rounded = {} if attack.rounded is None else {"rounded": attack.rounded}
    return {
        "name": attack.name,
        "options": attack.options,
        "broken": int(attack.adversarial.sum()),
        **_cost_to_json(attack),
        **({"stages": [_stage_to_json(stage) for stage in attack.stages]} if attack.stages else {}),
        **({"partial": attack.partial} if attack.partial else {}),
        **({"asked": attack.asked} if attack.asked else {}),
        **{name: {"broken": int(flags.sum())} for name, flags in rounded.items()},
        **({"moved": moved_to_json(attack.moved)} if attack.moved else {}),
        "columns": write_columns({"broken": attack.adversarial, **rounded, **attack.columns}),
    }


def attack_from_json(content: dict[str, Any], n: int) -> AttackOutcome:
    """Make the outcome over n samples from its JSON, which the schema has passed; ValueError for damaged columns."""
    columns = read_columns(content["columns"], n)
    return AttackOutcome(
        **{key: content[key] for key in ("name", "options", "forwards", "backwards", "seconds")},
        adversarial=take_flags(columns, "broken"),
        stages=tuple(_stage_from_json(stage) for stage in content.get("stages", ())),
        partial=content.get("partial", ""),
        rounded=take_flags(columns, "rounded") if "rounded" in columns else None,
        columns=columns,
        asked=content.get("asked", 0),
        moved=moved_from_json(content.get("moved", [])),
    )


def describe_outcome(attack: AttackOutcome) -> str:
    """Return what two measurements of one attack must agree in, as JSON, which has no tuples."""
    content = attack_to_json(attack)
    return json.dumps({key: content.get(key) for key in ("name", "options", "columns", "partial")}, sort_keys=True)


def _stage_to_json(stage: StageOutcome) -> dict[str, Any]:
    return {"attack": stage.attack, "n": stage.n, "broken": stage.adversarial, **_cost_to_json(stage)}


def _stage_from_json(content: dict[str, Any]) -> StageOutcome:
    keys = ("attack", "n", "forwards", "backwards", "seconds")
    return StageOutcome(**{key: content[key] for key in keys}, adversarial=content["broken"])


def _cost_to_json(spent: AttackOutcome | StageOutcome) -> dict[str, Any]:
    return {"forwards": spent.forwards, "backwards": spent.backwards, "seconds": round(spent.seconds, 3)}
