"""Suites: ensembles of attacks as data, named and versioned, so that figures under one name are comparable.

No torch in this file: collecting tests reads the names of suites.
"""

import hashlib
import json
import tomllib
import typing
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from robust.attacks.criteria.registry import CRITERIA, DEFAULT
from robust.attacks.files import read_text
from robust.attacks.grammar.norms import NORMS
from robust.attacks.registry import ATTACKS, suggest
from robust.attacks.source_options import check_options
from robust.attacks.spec import Spec
from robust.attacks.text import printable, slug
from robust.attacks.words import FAMILIES

WAYS = ("channels-last", "fold", "bf16")  # to make the copy of the model cheaper that a suite queries: see fast_copy.py
SHIPPED = Path(__file__).parent / "suites"


@dataclass(frozen=True, slots=True)
class Stage:
    """One attack of a suite, and which samples it attacks: of the robust ones those nearest to falling."""

    attack: str  # canonical: "pgd:restarts=8:steps=20"
    threats: tuple[str, ...] = NORMS  # the families of threat models that it is for
    hardest: float = 1.0  # the share of the robust samples that is attacked, in (0, 1]
    least: int = 1  # how many samples are attacked at least, whatever `hardest` and `near` say
    patience: int | None = None  # the stage ends after so many rounds in a row that did not pay; None: never
    widen: bool = False  # every round that pays doubles `hardest`, `near` and `least`
    follow: bool = False  # the stage runs only if the stage before it has paid
    near: float = 1.0  # only samples with at most this part of their clean margin left; 1: all
    onward: bool = False  # each round attacks samples that the stage has not attacked before
    criteria: tuple[str, ...] = ()  # names of criteria that have stages of their own; empty: all that have none

    def __post_init__(self) -> None:
        spec = Spec.parse(self.attack)
        if spec.name not in ATTACKS:
            ATTACKS.refuse(spec.name)
        check_options(spec)
        object.__setattr__(self, "attack", str(spec))
        for family in self.threats:
            if family not in FAMILIES:
                raise ValueError(f"unknown family of threat models {suggest(family, FAMILIES)}")
        if not self.threats:
            raise ValueError(f"threats is empty, expected one or more of {', '.join(FAMILIES)}")
        for name in self.criteria:
            if name not in CRITERIA:
                raise ValueError(f"unknown criterion {suggest(name, CRITERIA.names())}")
        if not 0 < self.hardest <= 1:
            raise ValueError(f"hardest, a share of the robust samples, must be in (0, 1], got {self.hardest:g}")
        if not 0 < self.near <= 1:
            raise ValueError(f"near, a share of the clean margin, must be in (0, 1], got {self.near:g}")
        if self.least < 0:
            raise ValueError(f"least must be at least 0, got {self.least}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, got {self.patience}")


@dataclass(frozen=True, slots=True)
class Suite:
    """Stages, one after the other, each on the samples that are robust to those before it."""

    name: str  # "standard-1"; "mine-1a2b3c4d" for a user's file, by its content
    stages: tuple[Stage, ...]

    @property
    def family(self) -> str:
        """Return the name without the version: "standard", "mine"."""
        return self.name.rpartition("-")[0]

    def determinants(self, search: Sequence[str] = (), families: Iterable[str] = NORMS) -> dict[str, Any]:
        """Return everything that determines the figures under threat models of these families, for JSON.

        `search` is how the queried copy is made cheaper. The norms are one kind: figures under one of them depend on
        the stages for all of them, since each stage has random numbers of its own by its place.
        """
        kinds = {family for one in families for family in (NORMS if one in NORMS else (one,))}
        stages = [_determinants(stage) for stage in self.stages if kinds.intersection(stage.threats)]
        return {"stages": stages} | ({"search": list(search)} if search else {})


def _determinants(stage: Stage) -> dict[str, Any]:
    """Return what a stage says, as rows of older versions know it: norms alone, and no `near` or `onward`."""
    later = {"near": 1.0, "onward": False, "criteria": ()}
    content = {key: value for key, value in asdict(stage).items() if key not in later or value != later[key]}
    families = content.pop("threats")
    others = [family for family in families if family not in NORMS]
    norms = {"norms": [family for family in families if family in NORMS]}
    return content | norms | ({"threats": others} if others else {})


def suite_names() -> list[str]:
    """List the suites that are shipped, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def read_suite(text: str, folder: Path, criterion: str = DEFAULT) -> Suite:
    """Read the shipped suite of that name, or the TOML file `folder`/`text`, with its stages for a criterion.

    Raise LookupError or ValueError, in one line, if there is none, or something in it is wrong.
    """
    if text in (names := suite_names()):
        return Suite(text, _choose_stages(_stages(SHIPPED / f"{text}.toml"), criterion))
    if not text.endswith(".toml"):
        if Spec.parse(text).name in ATTACKS:
            raise LookupError(f"{text} is an attack; write --robust-attack={text}")
        raise LookupError(f"unknown suite {suggest(text, names, 'suite')}; or name a file of your own, as mine.toml")
    stages = _stages(folder / text)
    content = json.dumps(Suite("", stages).determinants((), FAMILIES), sort_keys=True)
    name = f"{slug(Path(text).stem)}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    return Suite(name, _choose_stages(stages, criterion))


def _choose_stages(stages: tuple[Stage, ...], criterion: str) -> tuple[Stage, ...]:
    """Return the stages that name the criterion; those that name none, if no stage does."""
    name = criterion.partition(":")[0]
    own = tuple(stage for stage in stages if name in stage.criteria)
    return own or tuple(stage for stage in stages if not stage.criteria)


def _stages(path: Path) -> tuple[Stage, ...]:
    """Read the stages of a TOML file; raise ValueError, in one line, if something in it is wrong."""
    try:
        content = tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise ValueError(f"no such file (looked for {path}); write a suite's name, or a file as mine.toml") from None
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # no TOML, not UTF-8, or nested too deeply
        raise ValueError(f"{path.name}: {error}") from None
    for key in content:
        if key != "stages":
            raise ValueError(f"{path.name}: unknown key {suggest(key, ['stages'])}")
    tables = content.get("stages")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"{path.name}: expected one [[stages]] or more")
    return tuple(_stage(f"{path.name}, stage {k}", table) for k, table in enumerate(tables, 1))


def _stage(where: str, table: dict[str, Any]) -> Stage:
    """Make a stage of a TOML table, whose arrays become tuples; `where` begins the messages of errors."""
    hints = typing.get_type_hints(Stage)
    try:
        table = _rename_norms(table) if "norms" in table else table
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        if "attack" not in given:
            raise ValueError('there is no attack; write attack = "pgd:steps=40"')
        for key, value in given.items():
            if key not in hints:
                raise ValueError(f"unknown key {suggest(key, [field.name for field in fields(Stage)])}")
            if not _fits(value, hints[key]):
                raise ValueError(f"{key} must be {EXPECTED[key]}, got {table[key]!r}")
        return Stage(**given)
    except (ValueError, LookupError) as error:
        raise ValueError(printable(f"{where}: {error.args[0]}")) from None


def _rename_norms(given: dict[str, Any]) -> dict[str, Any]:
    """Return a table of a stage with `threats` in place of `norms`, an older name of it."""
    if "threats" in given:
        raise ValueError("norms and threats are two names of one key; give threats")
    return {"threats" if key == "norms" else key: value for key, value in given.items()}


EXPECTED = {
    "attack": "a string in quotes",
    "threats": "a list of strings in quotes",
    "hardest": "a number",
    "near": "a number",
    "least": "a whole number",
    "patience": "a whole number",
    "widen": "true or false",
    "onward": "true or false",
    "follow": "true or false",
    "criteria": "a list of strings in quotes",
}


def _fits(value: object, hint: Any) -> bool:
    """Whether the value has the type of a field; an int is also a float."""
    if typing.get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    accepted = (hint, *typing.get_args(hint))
    return type(value) in accepted or (type(value) is int and float in accepted)
