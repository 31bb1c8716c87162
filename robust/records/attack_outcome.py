"""The outcome of an attack or a suite for each sample, and its JSON. No torch."""

from dataclasses import dataclass
from typing import Any

from robust.flags import Flags, pack, unpack


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


def attack_to_json(attack: AttackOutcome) -> dict[str, Any]:
    """Return the outcome as JSON can hold it, without `stages`, `partial` and `rounded` if they are empty."""
    content = {
        "name": attack.name,
        "options": attack.options,
        **_flags_to_json(attack.adversarial),
        **_cost_to_json(attack),
    }
    if attack.stages:
        content["stages"] = [_stage_to_json(stage) for stage in attack.stages]
    if attack.partial:
        content["partial"] = attack.partial
    if attack.rounded is not None:
        content["rounded"] = _flags_to_json(attack.rounded)
    return content


def attack_from_json(content: dict[str, Any], n: int) -> AttackOutcome:
    """Make the outcome over n samples from its JSON; KeyError, TypeError or ValueError if that is damaged."""
    keys = ("name", "options", "forwards", "backwards", "seconds")
    stages = tuple(_stage_from_json(**stage) for stage in content.get("stages", ()))
    return AttackOutcome(
        **{key: content[key] for key in keys},
        adversarial=unpack(content["bits"], n),
        stages=stages,
        partial=content.get("partial", ""),
        rounded=unpack(content["rounded"]["bits"], n) if "rounded" in content else None,
    )


def _stage_to_json(stage: StageOutcome) -> dict[str, Any]:
    return {"attack": stage.attack, "n": stage.n, "broken": stage.adversarial, **_cost_to_json(stage)}


def _stage_from_json(*, broken: int, **others: Any) -> StageOutcome:
    return StageOutcome(adversarial=broken, **others)


def _flags_to_json(adversarial: Flags) -> dict[str, Any]:
    return {"broken": int(adversarial.sum()), "bits": pack(adversarial)}


def _cost_to_json(spent: AttackOutcome | StageOutcome) -> dict[str, Any]:
    return {"forwards": spent.forwards, "backwards": spent.backwards, "seconds": round(spent.seconds, 3)}
