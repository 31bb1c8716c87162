"""A record: what was measured of one model, sample by sample, and how. No torch: boards are made from records alone."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, get_type_hints

from robust.attacks.spec import Spec
from robust.attacks.text import slug
from robust.attacks.words import threat_slug
from robust.flags import Flags, pack, union, unpack
from robust.records.attack_outcome import AttackOutcome, attack_from_json, attack_to_json
from robust.records.trust import TrustReport, trust_from_json, trust_to_json

SCHEMA = 1
MITIGATED = "mitigated"  # the name of what is run beside a row's attacks where these are in doubt


@dataclass(frozen=True)
class DataUsed:
    """Which samples were measured."""

    name: str
    split: str
    n: int
    digest: str  # SHA-256 of their numbers, labels and inputs


@dataclass(frozen=True)
class ModelUsed:
    """Which model was measured."""

    name: str
    training: str  # the recipe that trained it, or "as-is"
    weights: str  # SHA-256 of its parameters and buffers
    params: int


@dataclass(frozen=True)
class Record:
    """One model under one threat model and one suite of attacks. Accuracies are shares of all n samples."""

    data: DataUsed
    model: ModelUsed
    threat: str
    seed: int
    correct: Flags  # (n,): answered right without an attack
    attacks: tuple[AttackOutcome, ...]  # the mitigated one the last
    provenance: dict[str, Any] = field(default_factory=dict)  # date, versions, how the model was trained
    evidence: str | None = None  # SHA-256 of the .npz with the adversarial inputs
    levels: int | None = None  # that the inputs were rounded to; None where the data keeps to none
    trust: TrustReport | None = None  # whether it may be believed; None where that was not checked

    @cached_property
    def suite(self) -> str:
        """The attacks, as one word: "fgsm+pgd". Only rows of the same suite are comparable."""
        return "+".join(sorted(Spec.parse(attack.name).slug for attack in self.planned))

    @property
    def planned(self) -> tuple[AttackOutcome, ...]:
        """The attacks that were asked for: all but the mitigated one."""
        return tuple(attack for attack in self.attacks if attack.name != MITIGATED)

    @cached_property
    def robust(self) -> Flags:
        """(n,): answered right, and broken by no attack."""
        return self.correct & ~union(attack.adversarial for attack in self.attacks)

    @cached_property
    def robust_rounded(self) -> Flags | None:
        """(n,): `robust` against the same inputs rounded to `levels`; None where they were not."""
        found = [attack.rounded for attack in self.attacks if attack.rounded is not None]
        known = self.levels is not None and len(found) == len(self.attacks)
        return self.correct & ~union(found) if known else None

    @property
    def partial(self) -> str:
        """Why the attacks were stopped before their end: then there may be more that they break. "" for a whole one."""
        return next((attack.partial for attack in self.attacks if attack.partial), "")

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two records the same measurement."""
        samples = (self.data.name, self.data.split, self.data.digest)
        return (*samples, self.threat, self.suite, self.model.name, self.model.training, self.model.weights, self.seed)

    @property
    def stem(self) -> str:
        """Where it lives below results/, without the ending: data/threat/suite/model-training-weights8."""
        name = f"{_short(slug(self.model.name))}-{Spec.parse(self.model.training).slug}-{self.model.weights[:8]}"
        return "/".join((_short(slug(self.data.name)), threat_slug(self.threat), _short(self.suite), name))

    @property
    def recipe(self) -> str:
        """What trained it: here, or, for weights that were loaded, by what the card beside them says; else "as-is"."""
        told = self.provenance.get("training")  # anybody's word, of any type
        return str(told.get("recipe", self.model.training)) if isinstance(told, dict) else self.model.training

    @property
    def verdict(self) -> str:
        """ "trusted", "suspect" or "broken"; "" where that was not checked."""
        return self.trust.verdict if self.trust else ""

    def same_outcomes(self, other: "Record") -> bool:
        """Whether both measured the same, sample for sample, with the same options."""
        return self.identity == other.identity and _outcomes(self) == _outcomes(other)

    def same_trust(self, other: "Record") -> bool:
        """Whether both were doubted alike: what was doubted, not by how much, and what the mitigated attack broke."""
        return _doubted(self) == _doubted(other)

    def to_json(self) -> str:
        content = {
            "schema": SCHEMA,
            "data": asdict(self.data),
            "threat": self.threat,
            "suite": self.suite,
            "seed": self.seed,
            "model": asdict(self.model),
            "clean": {"correct": int(self.correct.sum()), "bits": pack(self.correct)},
            "robust": {"correct": int(self.robust.sum())},
            "attacks": [attack_to_json(attack) for attack in self.attacks],
            "evidence": self.evidence,
            "provenance": self.provenance,
        }
        if self.robust_rounded is not None:
            content["rounded"] = {"levels": self.levels, "correct": int(self.robust_rounded.sum())}
        if self.trust is not None:
            content["trust"] = trust_to_json(self.trust)
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """ValueError where `text` is not a record of a schema that this version knows."""
        try:
            content = json.loads(text)
            if content["schema"] != SCHEMA:
                raise ValueError(f"schema {content['schema']}, expected {SCHEMA}")
            n = int(content["data"]["n"])
            record = cls(
                data=DataUsed(**content["data"]),
                model=ModelUsed(**content["model"]),
                threat=content["threat"],
                seed=content["seed"],
                correct=unpack(content["clean"]["bits"], n),
                attacks=tuple(attack_from_json(attack, n) for attack in content["attacks"]),
                provenance=dict(content["provenance"]),
                evidence=content["evidence"],
                levels=content["rounded"]["levels"] if "rounded" in content else None,
                trust=trust_from_json(content["trust"]) if "trust" in content else None,
            )
            stages = (stage for attack in record.attacks for stage in attack.stages)
            doubts = record.trust.doubts if record.trust else ()
            for part in (record.data, record.model, *record.attacks, *stages, *doubts, record):
                _check_types(part)
            if json.loads(record.to_json()) != content:
                raise ValueError("its counts and its outcomes do not agree")
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"not a record: {type(error).__name__} {error}") from None
        return record


def _check_types(part: object) -> None:
    """TypeError where a field that is a number or a text holds something else."""
    for name, hint in get_type_hints(type(part)).items():
        accepted = (int, float) if hint is float else hint
        if hint in (str, int, float) and (
            type(value := getattr(part, name)) is bool or not isinstance(value, accepted)
        ):
            raise TypeError(f"{name} must be of type {hint.__name__}, got {value!r}")


def _outcomes(record: Record) -> list[object]:
    """What two records of one measurement must agree in; options as JSON, which knows no tuples."""
    attacks = (
        (a.name, json.dumps(a.options, sort_keys=True), pack(a.adversarial), a.partial, _packed(a.rounded))
        for a in record.planned
    )
    return [pack(record.correct), record.levels, *attacks]


def _packed(flags: Flags | None) -> str | None:
    return None if flags is None else pack(flags)


def _doubted(record: Record) -> object:
    trust = record.trust
    mitigated = [pack(attack.adversarial) for attack in record.attacks if attack.name == MITIGATED]
    return trust and (trust.checked, [(doubt.name, doubt.grade) for doubt in trust.doubts], trust.accepted, mitigated)


def _short(name: str) -> str:
    """A folder's name: a long one is cut, with a hash of the whole."""
    return name if len(name) <= 80 else f"{name[:70]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
