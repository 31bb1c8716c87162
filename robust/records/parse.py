"""Parse the text of a record, which a stranger may have written: one line says what is wrong, whatever it is."""

import json
from typing import Any

from msgspec import Struct

from robust.attacks.grammar.features import FEATURES, learn_tables
from robust.attacks.spec import Spec
from robust.attacks.text import brief
from robust.attacks.words import canonical_threat, family_of
from robust.records.schema import SCHEMA, Attack, Certificate, CertifiedRadii, Content, Curve, Json, validate
from robust.records.schema_1 import upgrade

MAX_DEPTH = 64  # of nested objects and lists: a record has eight, and what writes or draws it may be recursive
MAX_DIGITS = 40  # of a whole number: a seed may have 39
HALF = "\\ud"  # where JSON has half a character (a surrogate), or two that are one


def parse_content(text: str) -> Json:
    """Return the content of a record, of schema 2 whatever the file has; ValueError, in one line, if it is none."""
    content = _load(text)
    schema = content.get("schema") if isinstance(content, dict) else None
    if type(schema) is not int or schema not in (1, SCHEMA):
        raise ValueError(f"not a record of a schema that this version knows: 1 or {SCHEMA}, got {brief(repr(schema))}")
    if schema == 1:
        try:
            content = upgrade(content)
        except KeyError as error:
            raise ValueError(f"not a record of schema 1: it lacks {brief(str(error))}") from None
        except (TypeError, AttributeError):
            raise ValueError("not a record of schema 1: a part is of another type") from None
    validate(content)
    _check_words(content)
    _check_counts(content)
    return content  # type: ignore[no-any-return]


def write_content(content: Json) -> str:
    """Return the text of a record, without half characters, which the name of a file may have."""
    text = json.dumps(content, indent=1)
    if HALF in text:
        whole = json.dumps(content, ensure_ascii=False).encode(errors="replace")
        text = json.dumps(json.loads(whole), indent=1)
    return f"{text}\n"


def refuse_idle(unknown: Json, known: Json) -> None:
    """Raise ValueError if a key beside `known`, what this version writes, is one that it would have written if true."""
    parts: list[tuple[Json, Json, type[Struct]]] = [(known, unknown, Content)]
    parts += [(known["attacks"][k], part, Attack) for k, part in unknown.get("attacks", {}).items()]
    if "certificate" in known:
        parts.append((known["certificate"], unknown.get("certificate", {}), Certificate))
    if "curve" in known:
        parts.append((known["curve"], curve := unknown.get("curve", {}), Curve))
        parts.append((known["curve"].get("certified", {}), curve.get("certified", {}), CertifiedRadii))
    for written, part, kind in parts:
        if idle := [key for key in kind.__struct_fields__ if key in part and key not in written]:
            raise ValueError(f"its parts do not agree: {idle[0]} does not follow from the rest of it")


def _load(text: str) -> Any:
    try:
        content = json.loads(text, parse_int=_read_whole)
        if HALF in text.lower():
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError(f"not a record: nested deeper than {MAX_DEPTH}") from None
    except UnicodeEncodeError:
        raise ValueError("not a record: it has half a character of Unicode (a surrogate)") from None
    except ValueError as error:
        raise ValueError(f"not a record: {brief(str(error))}") from None
    level = [content]
    for _ in range(MAX_DEPTH):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return content
    raise ValueError(f"not a record: nested deeper than {MAX_DEPTH}")


def _read_whole(text: str) -> int:
    """Read a whole number; ValueError for one that floats and libraries stumble over."""
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits, expected at most {MAX_DIGITS}")
    return int(text)


def _parts(whole: Any) -> list[Any]:
    """Return the objects and lists right inside an object or a list."""
    values = whole.values() if isinstance(whole, dict) else whole if isinstance(whole, list) else ()
    return [value for value in values if value.__class__ in (dict, list)]


def _check_words(content: Json) -> None:
    """Raise ValueError if this version cannot read a threat model, an attack or a recipe."""
    _check_threat(content["threat"], content.get("tables", {}))
    if "curve" in content:
        canonical_threat(content["curve"]["end"])
    for spec in (content["model"]["training"], *(attack["name"] for attack in content["attacks"])):
        Spec.parse(spec)


def _check_threat(threat: str, tables: Json) -> None:
    """Raise ValueError if a threat model cannot be read; a table is read from the record, never from a file."""
    words = [part for part in threat.split("+") if family_of(part) == FEATURES]
    if {*words} != {*tables}:
        named, held = (" and ".join(sorted(some)) or "none" for some in (words, tables))
        raise ValueError(brief(f"its parts do not agree: its threat model names the tables {named}, it holds {held}"))
    learn_tables({word: json.dumps(table) for word, table in tables.items()})
    canonical_threat(threat)


def _check_counts(content: Json) -> None:
    """Raise ValueError if a stage or a class counts more samples than there are."""
    n = content["data"]["n"]
    for attack in content["attacks"]:
        if any(max(stage["n"], stage["broken"]) > n for stage in attack.get("stages", ())):
            raise ValueError(f"a stage of {brief(attack['name'])} counts more than the {n} samples")
    if classes := content["provenance"].get("classes"):
        counts = [classes[key] for key in ("n", "correct", "robust")]
        if len({*map(len, counts)}) > 1 or any(not k >= c >= r for k, c, r in zip(*counts, strict=True)):
            raise ValueError("the counts of its classes (n, correct, robust) do not fit one another")
