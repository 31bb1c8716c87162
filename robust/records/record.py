"""A record: what was measured for one model, sample by sample, and how. No torch: boards need records alone."""

import json
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.attacks.criteria.registry import find_criterion
from robust.attacks.draws import draws_slug
from robust.attacks.spec import Spec
from robust.attacks.text import slug
from robust.attacks.words import threat_slug
from robust.flags import Flags, pack, union
from robust.records.added import ADDED, MITIGATED
from robust.records.attack_outcome import AttackOutcome, attack_from_json, describe_outcome
from robust.records.certificate import Certificate, certificate_from_json
from robust.records.columns import REGIONS, SCORE, Columns, read_columns, take_flags, write_columns
from robust.records.corrupted import Corrupted, find_corrupted
from robust.records.curve import Curve, check_curve, curve_from_json
from robust.records.groups import Group, Groups, count_groups, keep_seen, read_classes
from robust.records.known import list_known
from robust.records.moved import Moved
from robust.records.parse import parse_content, refuse_idle, write_content
from robust.records.queries import check_queries
from robust.records.schema_1 import CRITERION
from robust.records.trust import TrustReport, trust_from_json
from robust.records.undecided import check_undecided, count_undecided
from robust.records.unknown import find_unknown, put_back
from robust.records.used import MAX_NAME, DataUsed, ModelUsed, shorten

Scores = NDArray[np.float64]  # (n,)


@dataclass(frozen=True)
class Record:
    """The measurement of one model under one threat model and one suite. Accuracies are shares of all n samples."""

    data: DataUsed
    model: ModelUsed
    threat: str
    seed: int
    correct: Flags  # (n,): answered right without an attack
    attacks: tuple[AttackOutcome, ...]  # that of the curve, and the mitigated one, are the last
    provenance: dict[str, Any] = field(default_factory=dict)  # date, versions, how the model was trained
    evidence: str | None = None  # SHA-256 of the .npz with the adversarial inputs
    levels: int | None = None  # that the inputs were rounded to; None if the data is on none
    trust: TrustReport | None = None  # the findings of the checks; None if nothing was checked
    draw: int | None = None  # the seed of the draw of the samples; None if it is `seed`
    criterion: dict[str, Any] = field(default_factory=CRITERION.copy)  # what is a right answer: its name, and options
    draws: str = ""  # how the deployed answer is formed of random ones: "mean:10"; "" if they are not random
    columns: Columns = field(default_factory=dict)  # more values for each of the n samples
    certificate: Certificate | None = None  # what is proved of the samples; None if nothing was asked
    curve: Curve | None = None  # the smallest adversarial distance of each sample; None if none was measured
    tables: dict[str, str] = field(default_factory=dict)  # the content of the tables in the threat model, as JSON
    groups: Groups | None = None  # the group of each sample; None if none were named
    unknown: dict[str, Any] = field(default_factory=dict)  # what its file has that this version does not know, by place

    @cached_property
    def suite(self) -> str:
        """The attacks as one text: "fgsm+pgd". Only rows of the same suite are comparable."""
        return "+".join(sorted(Spec.parse(attack.name).slug for attack in self.planned))

    @property
    def board(self) -> tuple[str, str, str, str]:
        """Return what comparable rows share: data set, threat model, suite, and criterion."""
        return self.data.name, self.threat, self.suite, json.dumps(self.criterion, sort_keys=True)

    @property
    def planned(self) -> tuple[AttackOutcome, ...]:
        """The attacks that the user chose: all except that of the curve, and the mitigated one."""
        return tuple(attack for attack in self.attacks if attack.name not in ADDED)

    @cached_property
    def robust(self) -> Flags:
        """(n,): answered right without an attack and under every attack."""
        return self.correct & ~union(attack.adversarial for attack in self.attacks)

    @cached_property
    def score(self) -> Scores | None:
        """(n,): the scores without an attack; None if the criterion has none."""
        return self.columns[SCORE].astype(np.float64) if SCORE in self.columns else None

    @cached_property
    def worst_score(self) -> Scores | None:
        """(n,): the scores of the worst inputs that the attacks found, for every sample; None as for `score`."""
        scores = [attack.columns[SCORE] for attack in self.planned if SCORE in attack.columns]
        if self.score is None or len(scores) < len(self.planned):
            return None
        if (criterion := find_criterion(self.criterion["name"])) is None:
            return None
        worst = np.fmax if criterion.rises else np.fmin
        return reduce(worst, scores).astype(np.float64)

    @property
    def undecided(self) -> tuple[int, int]:
        """Count the samples that are not right without an attack, and that are adversarial, as no test decided.

        Both are 0 where the answers are not random.
        """
        return count_undecided(self.correct, self.columns, self.attacks)

    @property
    def regions(self) -> Scores | None:
        """(n, 2 C): of maps, the pixels of each class's intersection and union without an attack; None of others."""
        return self.columns[REGIONS].astype(np.float64) if REGIONS in self.columns else None

    @property
    def worst_regions(self) -> Scores | None:
        """(n, 2 C): the same of the worst inputs that the attacks found; None as for `regions`."""
        both = [a.columns for a in self.planned if SCORE in a.columns and REGIONS in a.columns]
        if self.regions is None or self.worst_score is None or len(both) < len(self.planned):
            return None
        worst = self.worst_score.astype(np.float32)
        found = self.regions.copy()
        for columns in both:
            rows = columns[SCORE] == worst
            found[rows] = columns[REGIONS][rows]
        return found

    @cached_property
    def corrupted(self) -> Corrupted | None:
        """The answers to each corruption of each sample; None under other threat models."""
        found = (find_corrupted(self.threat, attack.columns) for attack in self.planned)
        return next(filter(None, found), None)

    @property
    def corrupted_before(self) -> str:
        """The steps of a Dataset before which its pictures were corrupted, as "Resize(32)"; "" if inputs were."""
        steps = self.provenance.get("corrupted_before", "")  # not checked: it may be of any type
        return steps if isinstance(steps, str) else ""

    @property
    def open(self) -> Flags | None:
        """(n,): robust under every attack, and not certified; None without a certificate."""
        return None if self.certificate is None else self.robust & ~self.certificate.certified

    @property
    def contradicted(self) -> Flags:
        """(n,): certified, and answered wrong all the same: the bound or the answer is at fault."""
        on_curve = False if self.curve is None else self.curve.contradicted
        return on_curve | (~self.robust & (False if self.certificate is None else self.certificate.certified))

    @cached_property
    def counts(self) -> tuple[int, int]:
        """Count the samples that are answered right without an attack, and those that are robust."""
        return int(self.correct.sum()), int(self.robust.sum())

    @cached_property
    def by_class(self) -> tuple[Group, ...]:
        """The classes that have samples, with their counts; none where labels are no classes, or nobody counted."""
        return keep_seen(read_classes(self.provenance.get("classes")))

    @cached_property
    def by_group(self) -> tuple[Group, ...]:
        """The groups that have samples, with their counts; none without --robust-groups."""
        return keep_seen(self.all_groups)

    @property
    def all_groups(self) -> tuple[Group, ...]:
        """The groups that the file of --robust-groups names, also those of which no sample was measured."""
        groups = self.groups
        return () if groups is None else count_groups(groups.names, groups.codes, self.correct, self.robust)

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
    def moved(self) -> tuple[Moved, ...]:
        """The features of a table that the attack which broke the most samples changed, the most moved first."""
        strongest = max(self.attacks, key=lambda attack: int(attack.adversarial.sum()))
        return strongest.moved

    @property
    def partial(self) -> str:
        """The reason why attacks were stopped before their end, so that `robust` is an upper bound; "" if none was."""
        return next((attack.partial for attack in self.attacks if attack.partial), "")

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The fields that two records of the same measurement share, also those that this version does not know."""
        return put_back(self.own_identity, self.unknown.get("identity", {}))  # type: ignore[no-any-return]

    @property
    def own_identity(self) -> dict[str, Any]:
        """The same fields as this version writes them."""
        data, model = self.data, self.model
        return {
            **{"data": data.name, "split": data.split, "digest": data.digest, "threat": self.threat},
            **{"criterion": self.criterion, "suite": self.suite, "model": model.name, "training": model.training},
            **{"weights": model.weights, "seed": self.seed},
            **({"draws": self.draws} if self.draws else {}),
            **({"corrupted_before": self.corrupted_before} if self.corrupted_before else {}),
        }

    @cached_property
    def stem(self) -> str:
        """The path below results/ without the ending: data/threat/suite/model-training-weights8."""
        threat = shorten(threat_slug(self.threat), MAX_NAME)
        judged = "" if self.criterion == CRITERION else f"-{self.criterion['name']}"
        place = shorten(slug(f"{self.data.name}{judged}")), threat, shorten(self.suite)
        return "/".join((*place, f"{self.model.stem}{draws_slug(self.draws)}"))

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
        return self.identity == other.identity and self._outcomes == other._outcomes

    @property
    def _outcomes(self) -> list[object]:
        return [
            write_columns({"correct": self.correct, **self.columns}),
            self.levels,
            *map(describe_outcome, self.planned),
        ]

    def same_trust(self, other: "Record") -> bool:
        """Whether both have the same findings, regardless of their values, and the same mitigated outcomes."""
        return self._findings == other._findings

    @property
    def _findings(self) -> object:
        mitigated = [pack(attack.adversarial) for attack in self.attacks if attack.name == MITIGATED]
        return self.trust and (*self.trust.outcome, mitigated)

    def same_certificate(self, other: "Record") -> bool:
        """Whether both have the same samples certified, by the same method, regardless of the bounds' values."""
        return len({record.certificate and record.certificate.outcome for record in (self, other)}) == 1

    def same_curve(self, other: "Record") -> bool:
        """Whether both have the same distances, of the same ladder."""
        return len({record.curve and record.curve.outcome for record in (self, other)}) == 1

    def same_groups(self, other: "Record") -> bool:
        """Whether both have the same groups of samples."""
        return other.groups is None if self.groups is None else self.groups.same(other.groups)

    def to_json(self) -> str:
        """Return the record as JSON of schema 2."""
        return write_content(put_back(list_known(self), self.unknown))

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """Read a record of schema 1 or 2; ValueError, in one line, if `text` is none."""
        content = parse_content(text)
        n = content["data"]["n"]
        columns = read_columns(content["columns"], n)
        record = cls(
            data=DataUsed(**{key: content["data"][key] for key in ("name", "split", "n", "digest")}),
            model=ModelUsed(**{key: content["model"][key] for key in ("name", "training", "weights", "params")}),
            threat=content["threat"],
            seed=content["seed"],
            correct=take_flags(columns, "correct"),
            attacks=tuple(attack_from_json(attack, n) for attack in content["attacks"]),
            provenance=content["provenance"],
            evidence=content["evidence"],
            levels=content["rounded"]["levels"] if "rounded" in content else None,
            trust=trust_from_json(content["trust"]) if "trust" in content else None,
            draw=content.get("draw"),
            criterion=content["criterion"],
            draws=content.get("draws", ""),
            columns=columns,
            certificate=certificate_from_json(content["certificate"], n) if "certificate" in content else None,
            curve=curve_from_json(content["curve"], n) if "curve" in content else None,
            tables={word: json.dumps(table) for word, table in content.get("tables", {}).items()},
            groups=Groups.from_json(content["groups"], n) if "groups" in content else None,
        )
        if not record.planned:
            raise ValueError(f"not a record: its only attack is the {record.attacks[0].name} one")
        check_curve(record.curve, record.threat, record.correct, record.robust, record.certificate)
        for attack in record.attacks:
            check_queries(attack)
        check_undecided(record.draws, record.correct, record.columns, record.attacks)
        known = list_known(record)
        record.unknown.update(find_unknown(content, known))
        refuse_idle(record.unknown, known)
        return record
