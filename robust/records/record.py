"""A record: what was measured for one model, sample by sample, and how. No torch: boards need records alone."""

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
MITIGATED = "mitigated"  # the name of the attack with mitigations that is run if a row's attacks are in doubt


@dataclass(frozen=True)
class DataUsed:
    """The samples that were measured."""

    name: str
    split: str
    n: int
    digest: str  # SHA-256 of their numbers, labels and inputs


@dataclass(frozen=True)
class ModelUsed:
    """The model that was measured."""

    name: str
    training: str  # the recipe that trained it, or "as-is"
    weights: str  # SHA-256 of its parameters and buffers
    params: int

    @property
    def stem(self) -> str:
        """The end of the names of its records: model-training-weights8."""
        return f"{_shorten(slug(self.name))}-{Spec.parse(self.training).slug}-{self.weights[:8]}"


@dataclass(frozen=True)
class Record:
    """The measurement of one model under one threat model and one suite. Accuracies are shares of all n samples."""

    data: DataUsed
    model: ModelUsed
    threat: str
    seed: int
    correct: Flags  # (n,): answered right without an attack
    attacks: tuple[AttackOutcome, ...]  # the mitigated one is the last
    provenance: dict[str, Any] = field(default_factory=dict)  # date, versions, how the model was trained
    evidence: str | None = None  # SHA-256 of the .npz with the adversarial inputs
    levels: int | None = None  # that the inputs were rounded to; None if the data is on none
    trust: TrustReport | None = None  # the findings of the checks; None if nothing was checked
    draw: int | None = None  # the seed of the draw of the samples; None if it is `seed`

    @cached_property
    def suite(self) -> str:
        """The attacks as one text: "fgsm+pgd". Only rows of the same suite are comparable."""
        return "+".join(sorted(Spec.parse(attack.name).slug for attack in self.planned))

    @property
    def planned(self) -> tuple[AttackOutcome, ...]:
        """The attacks that the user chose: all except the mitigated one."""
        return tuple(attack for attack in self.attacks if attack.name != MITIGATED)

    @cached_property
    def robust(self) -> Flags:
        """(n,): answered right without an attack and under every attack."""
        return self.correct & ~union(attack.adversarial for attack in self.attacks)

    @property
    def has_adversarial(self) -> bool:
        """Whether any sample is adversarial, so that there is an input to verify."""
        return bool((self.correct & ~self.robust).any())

    @cached_property
    def robust_rounded(self) -> Flags | None:
        """(n,): `robust` against the same inputs rounded to `levels`; None if they were not rounded."""
        rounded = [attack.rounded for attack in self.attacks if attack.rounded is not None]
        complete = self.levels is not None and len(rounded) == len(self.attacks)
        return self.correct & ~union(rounded) if complete else None

    @property
    def partial(self) -> str:
        """The reason why attacks were stopped before their end, so that `robust` is an upper bound; "" if none was."""
        return next((attack.partial for attack in self.attacks if attack.partial), "")

    @property
    def identity(self) -> tuple[object, ...]:
        """The fields that two records of the same measurement share."""
        samples = (self.data.name, self.data.split, self.data.digest)
        return (*samples, self.threat, self.suite, self.model.name, self.model.training, self.model.weights, self.seed)

    @property
    def stem(self) -> str:
        """The path below results/ without the ending: data/threat/suite/model-training-weights8."""
        return "/".join(
            (_shorten(slug(self.data.name)), threat_slug(self.threat), _shorten(self.suite), self.model.stem)
        )

    @property
    def recipe(self) -> str:
        """The recipe that trained the model, here or according to the card beside its weights; else "as-is"."""
        card = self.provenance.get("training")  # not checked: it may be of any type
        return str(card.get("recipe", self.model.training)) if isinstance(card, dict) else self.model.training

    @property
    def verdict(self) -> str:
        """The verdict: "trusted", "suspect" or "broken"; "" if nothing was checked."""
        return self.trust.verdict if self.trust else ""

    @property
    def marked_verdict(self) -> str:
        """The verdict as tables show it: "unchecked" if there is none, and with a star if a finding is a note on it."""
        return f"{self.verdict or 'unchecked'}{'*' * bool(self.trust and self.trust.noted)}"

    def same_outcomes(self, other: "Record") -> bool:
        """Whether both have the same outcome for every sample, with the same options."""
        return self.identity == other.identity and _list_outcomes(self) == _list_outcomes(other)

    def same_trust(self, other: "Record") -> bool:
        """Whether both have the same findings, regardless of their values, and the same mitigated outcomes."""
        return _list_findings(self) == _list_findings(other)

    def to_json(self) -> str:
        """Return the record as JSON of schema 1."""
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
        if self.draw is not None:
            content["draw"] = self.draw
        if self.robust_rounded is not None:
            content["rounded"] = {"levels": self.levels, "correct": int(self.robust_rounded.sum())}
        if self.trust is not None:
            content["trust"] = trust_to_json(self.trust)
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """Read a record; ValueError if `text` is none of a schema that this version knows."""
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
                draw=int(content["draw"]) if "draw" in content else None,
            )
            stages = (stage for attack in record.attacks for stage in attack.stages)
            findings = record.trust.findings if record.trust else ()
            for part in (record.data, record.model, *record.attacks, *stages, *findings, record):
                _check_types(part)
            if json.loads(record.to_json()) != content:
                raise ValueError("its counts and its outcomes do not agree")
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"not a record: {type(error).__name__} {error}") from None
        return record


def _check_types(part: object) -> None:
    """Raise TypeError if a field that is a number or a text holds something else."""
    for name, hint in get_type_hints(type(part)).items():
        accepted = (int, float) if hint is float else hint
        if hint in (str, int, float) and (
            type(value := getattr(part, name)) is bool or not isinstance(value, accepted)
        ):
            raise TypeError(f"{name} must be of type {hint.__name__}, got {value!r}")


def _list_outcomes(record: Record) -> list[object]:
    """List what two records of one measurement must agree in; options as JSON, which has no tuples."""
    attacks = (
        (a.name, json.dumps(a.options, sort_keys=True), pack(a.adversarial), a.partial, _pack_or_none(a.rounded))
        for a in record.planned
    )
    return [pack(record.correct), record.levels, *attacks]


def _pack_or_none(flags: Flags | None) -> str | None:
    return None if flags is None else pack(flags)


def _list_findings(record: Record) -> object:
    trust = record.trust
    mitigated = [pack(attack.adversarial) for attack in record.attacks if attack.name == MITIGATED]
    return trust and (
        trust.checked,
        [(finding.name, finding.grade) for finding in trust.findings],
        trust.accepted,
        mitigated,
    )


def _shorten(name: str) -> str:
    """Return the name of a folder: a long one is cut and ends with a hash of the whole."""
    return name if len(name) <= 80 else f"{name[:70]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
