"""ItemPayload: the measurements of one test, for the process that files them. Adversarial inputs go through a file."""

import base64
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.data.dataset import Samples
from robust.flags import Flags, pack, unpack
from robust.records.attack_outcome import AttackOutcome, attack_from_json, attack_to_json
from robust.records.certificate import Certificate, certificate_from_json, certificate_to_json
from robust.records.columns import Columns, read_columns, write_columns
from robust.records.curve import Curve, curve_from_json, curve_to_json
from robust.records.groups import Groups
from robust.records.trust import TrustReport, trust_from_json, trust_to_json
from robust.records.used import DataUsed, ModelUsed
from robust.verification.fresh_process import Source

Json = dict[str, Any]
# By the samples' digest: their labels, their numbers in the split, and their groups. Maps are text, see `labels_of`.
Labels = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class TrainingCard:
    """The card of a training, and the file that holds the weights."""

    card: Json
    path: str


@dataclass(frozen=True, slots=True)
class Setup:
    """The model and the samples of a test, and how it measures."""

    model: ModelUsed
    data: DataUsed
    seed: int
    model_text: str  # as the user wrote it
    arch: str | None
    normalize: str | None
    output: str | None
    transforms: tuple[str, ...]  # of the data
    notes: tuple[str, ...]  # on how the model was loaded
    device: str
    batch: int  # samples at once
    source: Source | str  # where another process finds the model, or why it cannot have it
    trained: TrainingCard | None
    draw: int | None = None  # the seed of the draw of the samples; None if it is `seed`
    criterion: str = "class"  # what is a right answer: "within:50"
    layout: str = ""  # of several inputs, as JSON
    classes: tuple[str, ...] = ()  # the names of the classes, if they have some
    draws: str = ""  # how its answers are formed, if they are random
    grouped: Json | None = None  # what named the groups of the samples, and the digest of its file
    compressed: Json | None = None  # what was done to a model of robust compress, and the road of its attacks

    def to_json(self) -> Json:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Json) -> "Setup":
        source, trained = content["source"], content["trained"]
        return cls(
            **content
            | {
                "model": ModelUsed(**content["model"]),
                "data": DataUsed(**content["data"]),
                "transforms": tuple(content["transforms"]),
                "notes": tuple(content["notes"]),
                "classes": tuple(content["classes"]),
                "source": source if isinstance(source, str) else _source_from_json(source),
                "trained": trained and TrainingCard(**trained),
            }
        )


def _source_from_json(content: Json) -> Source:
    lists: Json = {key: tuple(value) for key, value in content.items() if isinstance(value, list)}
    return Source(**content | lists)


@dataclass(frozen=True, slots=True)
class RowPart:
    """The row that a result belongs to, and what else makes that row."""

    threat: str  # "linf:8/255"
    command: str  # repeats the run
    origin: str = ""  # the node id of the user's test that reports it; "" for a shipped test
    suite: str = ""
    attacks: int = 1  # that make the row
    judged: bool = False  # whether a test_trust of this session judges the row
    floor: float | None = None  # a percentage, which the user's test has set
    curved: bool = False  # whether a test_curve of this session measures the curve of the row's samples
    certified: bool = False  # whether a test_certified of this session certifies the row's samples
    cache: str = ""  # the folder with the rounds of a suite, or with what is certified so far
    notes: tuple[str, ...] = ()  # on what the attack does otherwise than it says
    before: str = ""  # the steps of a Dataset before which its pictures were corrupted: "Resize(32), ToTensor"


@dataclass(frozen=True, slots=True)
class AttackPayload:
    """The outcome of an attack, and the file where its inputs wait."""

    outcome: AttackOutcome
    levels: int | None  # that the inputs were rounded to; None where the data keeps to none
    inputs: str | None  # the path of an .npz with x_adv and the arrays of the images; None where no row is filed
    images: tuple[str, ...] = ()  # the names of those arrays

    def to_json(self) -> Json:
        content = {"levels": self.levels, "inputs": self.inputs, "images": [*self.images]}
        return {"outcome": attack_to_json(self.outcome), **content}

    @classmethod
    def from_json(cls, content: Json, n: int) -> "AttackPayload":
        outcome, images = attack_from_json(content["outcome"], n), tuple(content["images"])
        return cls(outcome, content["levels"], content["inputs"], images)


@dataclass(frozen=True, slots=True)
class CurvePayload:
    """A curve, and the file where its inputs wait: of all samples whose distance is above 0 and finite."""

    curve: Curve
    rounded: dict[str, Flags]  # by planned threat model: (n,), adversarial also after the input is rounded to levels
    inputs: str | None  # the path of an .npz with x_adv and the arrays of the images; None where no row is filed
    images: tuple[str, ...] = ()  # the names of those arrays

    def to_json(self) -> Json:
        rounded = {threat: pack(flags) for threat, flags in self.rounded.items()}
        return {"curve": curve_to_json(self.curve), "rounded": rounded, "inputs": self.inputs, "images": [*self.images]}

    @classmethod
    def from_json(cls, content: Json, n: int) -> "CurvePayload":
        rounded = {threat: unpack(bits, n) for threat, bits in content["rounded"].items()}
        return cls(curve_from_json(content["curve"], n), rounded, content["inputs"], tuple(content["images"]))


@dataclass(frozen=True, slots=True)
class ItemPayload:
    """The measurements of one test.

    test_clean has no row; test_certified has a certificate, and test_curve a curve; test_trust has a report, and an
    attack only if one was run with mitigations.
    """

    setup: Setup
    correct: Flags  # (n,): answered right without an attack
    columns: Columns = field(default_factory=dict)  # more values for each of the n samples, without an attack
    row: RowPart | None = None
    attack: AttackPayload | None = None
    trust: TrustReport | None = None
    nearby: tuple[tuple[float, ...], ...] | None = None  # logits of inputs nearby, after the attacks
    certificate: Certificate | None = None
    curve: CurvePayload | None = None

    def to_json(self) -> Json:
        """Return the payload as JSON can hold it."""
        return {
            "setup": self.setup.to_json(),
            "correct": pack(self.correct),
            "columns": write_columns(self.columns),
            "row": self.row and asdict(self.row),
            "attack": self.attack and self.attack.to_json(),
            "trust": self.trust and trust_to_json(self.trust),
            "nearby": self.nearby,
            "certificate": self.certificate and certificate_to_json(self.certificate, self.correct),
            "curve": self.curve and self.curve.to_json(),
        }

    @classmethod
    def from_json(cls, content: Json) -> "ItemPayload":
        """Read what `to_json` returned."""
        setup, row, attack, trust = (content[key] for key in ("setup", "row", "attack", "trust"))
        certificate, curve = content["certificate"], content["curve"]
        n = setup["data"]["n"]
        return cls(
            setup=Setup.from_json(setup),
            correct=unpack(content["correct"], n),
            columns=read_columns(content["columns"], n),
            row=row and RowPart(**row | {"notes": tuple(row["notes"])}),
            attack=attack and AttackPayload.from_json(attack, n),
            trust=trust and trust_from_json(trust),
            nearby=content["nearby"] and tuple(map(tuple, content["nearby"])),
            certificate=certificate and certificate_from_json(certificate, n),
            curve=curve and CurvePayload.from_json(curve, n),
        )


def labels_of(samples: Samples, groups: Groups | None = None) -> Labels:
    """Return the labels, numbers and groups of samples, by their digest: sent once a session, not with every test."""
    y: Any = samples.y.tolist() if samples.y.ndim < 3 else [[*samples.y.shape], _pack_maps(samples.y)]
    parts = [] if groups is None else [[groups.column, [*groups.names], groups.codes.tolist()]]
    return {samples.digest: [y, samples.index.tolist(), *parts]}


def read_labels(labels: list[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Read what `labels_of` returned of some samples: labels, (n, ...), and their numbers in the split, (n,)."""
    y, index = labels[:2]
    if len(y) == 2 and isinstance(y[1], str):
        return np.frombuffer(zlib.decompress(base64.b64decode(y[1])), "<i8").reshape(y[0]), np.array(index, np.int64)
    known = np.array(y)
    return known.astype(np.float32 if known.dtype.kind == "f" else np.int64), np.array(index, np.int64)


def read_groups(labels: list[Any]) -> Groups | None:
    """Read the groups in what `labels_of` returned of some samples; None if they have none."""
    if len(labels) < 3:
        return None
    column, names, codes = labels[2]
    return Groups(column, tuple(names), np.array(codes, np.int64))


def _pack_maps(y: NDArray[Any]) -> str:
    """Return maps as text: as lists of numbers they would take fifty times as much."""
    return base64.b64encode(zlib.compress(y.astype("<i8").tobytes(), 1)).decode()
