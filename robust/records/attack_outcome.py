"""What an attack, or a suite, did to each sample, and that as JSON. No torch."""

from dataclasses import dataclass
from typing import Any

from robust.flags import Flags, pack, unpack


@dataclass(frozen=True)
class StageOutcome:
    """How far a suite was after a stage: all but `n` is from its beginning."""

    attack: str  # the stage's
    n: int  # samples that the stage was run on
    adversarial: int  # by this stage and those before it
    forwards: int
    backwards: int
    seconds: float


@dataclass(frozen=True)
class AttackOutcome:
    """One attack's, or one suite's, outcomes over all samples; it was started on those that the model answers right."""

    name: str  # "pgd:steps=40", or "standard-1"
    options: dict[str, Any]  # all, the defaults included
    adversarial: Flags  # (n,)
    forwards: int
    backwards: int
    seconds: float
    stages: tuple[StageOutcome, ...] = ()  # of a suite those that were run to their end
    partial: str = ""  # why it was stopped before its end, "" where it was not
    rounded: Flags | None = None  # (n,): broken also once the input is rounded to the record's levels


def attack_to_json(attack: AttackOutcome) -> dict[str, Any]:
    """`stages`, `partial` and `rounded` are left out where they say nothing."""
    content = {"name": attack.name, "options": attack.options, **_counted(attack.adversarial), **_cost(attack)}
    if attack.stages:
        content["stages"] = [_stage_to_json(stage) for stage in attack.stages]
    if attack.partial:
        content["partial"] = attack.partial
    if attack.rounded is not None:
        content["rounded"] = _counted(attack.rounded)
    return content


def attack_from_json(content: dict[str, Any], n: int) -> AttackOutcome:
    keys = ("name", "options", "forwards", "backwards", "seconds")
    stages = tuple(_stage_from_json(**stage) for stage in content.get("stages", ()))
    given = {key: content[key] for key in keys}
    return AttackOutcome(
        **given,
        adversarial=unpack(content["bits"], n),
        stages=stages,
        partial=content.get("partial", ""),
        rounded=unpack(content["rounded"]["bits"], n) if "rounded" in content else None,
    )


def _stage_to_json(stage: StageOutcome) -> dict[str, Any]:
    return {"attack": stage.attack, "n": stage.n, "broken": stage.adversarial, **_cost(stage)}


def _stage_from_json(*, broken: int, **others: Any) -> StageOutcome:
    return StageOutcome(adversarial=broken, **others)


def _counted(adversarial: Flags) -> dict[str, Any]:
    return {"broken": int(adversarial.sum()), "bits": pack(adversarial)}


def _cost(spent: AttackOutcome | StageOutcome) -> dict[str, Any]:
    return {"forwards": spent.forwards, "backwards": spent.backwards, "seconds": round(spent.seconds, 3)}
