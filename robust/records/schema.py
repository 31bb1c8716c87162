"""Schema 2 of a record's JSON: the keys that this version reads, with what each may hold.

Keys that are not here are no fault: a newer version may have written them, and they are kept. What would change the
meaning of the keys that are here needs another number of the schema.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from robust.attacks.text import brief

SCHEMA = 2
Json = dict[str, Any]

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Word = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
AtLeastOne = Annotated[int, Meta(ge=1, le=2**53)]
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Grade = Literal["trusted", "suspect", "broken"]
Column = dict[str, Any]  # see columns.py: another version may have other kinds


class Data(Struct):
    """The samples."""

    name: str
    split: str
    n: AtLeastOne
    digest: Hash


class Criterion(Struct):
    """The criterion: what is a right answer."""

    name: Word


class Model(Struct):
    """The model."""

    name: str
    training: Word
    weights: Hash
    params: Count


class Correct(Struct):
    """A count of samples."""

    correct: Count


class Broken(Struct):
    """A count of adversarial samples."""

    broken: Count


class Rounded(Struct):
    """The samples that are robust after rounding."""

    levels: Annotated[int, Meta(ge=2, le=2**32)]
    correct: Count


class Stage(Struct):
    """The state of a suite after a stage."""

    attack: Word
    n: Count
    broken: Count
    forwards: Count
    backwards: Count
    seconds: Seconds


class Moved(Struct):
    """The changes of one feature of a table in the adversarial inputs."""

    feature: Word
    n: Count
    of: Count
    median: float
    largest: float
    way: str


class Attack(Struct):
    """The outcome of an attack or a suite."""

    name: Word
    options: Json
    broken: Count
    forwards: Count
    backwards: Count
    seconds: Seconds
    columns: dict[str, Column]
    stages: list[Stage] | UnsetType = UNSET
    partial: str | UnsetType = UNSET
    rounded: Broken | UnsetType = UNSET
    asked: Count | UnsetType = UNSET
    moved: list[Moved] | UnsetType = UNSET


class Certificate(Struct):
    """The proofs for the samples."""

    method: Word
    certified: Count
    open: Count
    by: dict[str, Count]
    seconds: Seconds
    columns: dict[str, Column]
    partial: str | UnsetType = UNSET


class CertifiedRadii(Struct):
    """The proofs on a curve."""

    method: Word
    seconds: Seconds
    partial: str | UnsetType = UNSET


class Curve(Struct):
    """The smallest adversarial distances that were found."""

    end: Word
    median: float | None
    attacks: list[str]
    eps: list[str]
    forwards: Count
    backwards: Count
    seconds: Seconds
    columns: dict[str, Column]
    partial: str | UnsetType = UNSET
    certified: CertifiedRadii | UnsetType = UNSET


class Doubt(Struct):
    """A finding."""

    name: Word
    grade: Grade
    value: float | None
    told: str
    hint: str
    weak: bool


class Part(Struct):
    """The cost of a part of the checks."""

    name: Word
    seconds: Seconds
    passes: Count


class Trust(Struct):
    """The result of all checks."""

    verdict: Grade
    doubts: list[Doubt]
    accepted: list[str]
    checked: list[str]
    skipped: list[str]
    seconds: Seconds
    not_run: list[str] | UnsetType = UNSET
    parts: list[Part] | UnsetType = UNSET
    why: dict[str, str] | UnsetType = UNSET
    """The reasons of the checks that were skipped, by their names."""


class Classes(Struct):
    """The counts of each class."""

    n: list[Count]
    correct: list[Count]
    robust: list[Count]
    names: list[str] | UnsetType = UNSET


class Groups(Struct):
    """The groups of samples, and the counts of each."""

    column: Word
    names: Annotated[list[Word], Meta(min_length=1)]
    n: list[Count]
    correct: list[Count]
    robust: list[Count]
    columns: dict[str, Column]


class GroupsSource(Struct):
    """The option that named the groups, and the digest of its file."""

    text: str
    sha256: Hash | UnsetType = UNSET


class Source(Struct):
    """The model as the user named it."""

    text: str | None = None
    arch: str | None = None
    normalize: str | None = None
    output: str | None = None


class Fresh(Struct):
    """The inputs that were verified in a fresh process."""

    fresh: Count = 0
    edge: Count = 0
    reason: str = ""


class InputPart(Struct):
    """One of several inputs."""

    name: Word
    shape: list[Count]
    dtype: Word
    lo: float
    hi: float


class Layout(Struct):
    """How several inputs stand in a row of the evidence, one after the other."""

    named: bool
    parts: Annotated[list[InputPart], Meta(min_length=1)]


class Provenance(Struct):
    """When, where and how; older versions left some of it out."""

    date: str = ""
    versions: dict[str, str] = {}
    device: str = ""
    batch: AtLeastOne = 1
    command: str = ""
    model: Source | None = None
    notes: list[str] = []
    transforms: list[str] = []
    training: Json | None = None  # of the card beside the weights, which anybody may have written
    classes: Classes | UnsetType = UNSET
    groups: GroupsSource | UnsetType = UNSET
    layout: Layout | UnsetType = UNSET
    inputs: Count = 0
    verified: Fresh | UnsetType = UNSET


class Content(Struct):
    """A record."""

    schema: Literal[2]
    identity: Json
    data: Data
    threat: Word
    criterion: Criterion
    suite: Word
    seed: int
    model: Model
    clean: Correct
    robust: Correct
    columns: dict[str, Column]
    attacks: Annotated[list[Attack], Meta(min_length=1)]
    evidence: Hash | None
    provenance: Provenance
    draw: int | UnsetType = UNSET
    draws: Annotated[str, Meta(pattern=r"^(1|(majority|mean):[1-9][0-9]{0,4})$")] | UnsetType = UNSET
    rounded: Rounded | UnsetType = UNSET
    certificate: Certificate | UnsetType = UNSET
    curve: Curve | UnsetType = UNSET
    tables: dict[str, Json] | UnsetType = UNSET
    groups: Groups | UnsetType = UNSET
    trust: Trust | UnsetType = UNSET


def validate(content: object) -> None:
    """Check that the content of a file is of schema 2; ValueError, in one line, names the place of the first fault."""
    try:
        msgspec.convert(content, Content)
    except msgspec.ValidationError as error:
        raise ValueError(f"not a record: {brief(str(error))}") from None
