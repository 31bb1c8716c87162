"""The grammar of threat models as users write them: "linf:8/255", "features:FILE.toml", the union "linf:0.1+l2:0.5".

Of several inputs, each part that may change has a ball of its own: the product "image=linf:8/255;meta=linf:0.1".

No torch in this file: collecting tests reads threat models, and must stay instant.
"""

import re
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from robust.attacks.registry import suggest
from robust.attacks.synonyms import look_up_synonym, plain
from robust.attacks.table_file import Table, read_table, read_table_file
from robust.attacks.text import slug

NORMS = ("linf", "l2", "l1")
FEATURES = "features"
PRODUCT = "product"
FAMILIES = (*NORMS, FEATURES, PRODUCT)  # of threat models: the word before the colon; a product names parts
GRADIENT_FREE = ("evolve", "noise", "rays", "search", "square")  # attacks that need no gradient
PART = re.compile(r"\s*([^=:;+,\s]+)\s*=\s*([^=;]+:[^=;]+)")  # of a product: its name, and its ball
DIGESTED = re.compile(r"features:[\w.+-]+-[0-9a-f]{8}")  # the canonical spelling: the file's name, and its content
NUMBER = r"[+-]?[\d.]{1,40}(e[+-]?\d{1,3})?"  # with bounds: exact fractions grow with the exponent


def parse_threat(text: str) -> tuple[str, Fraction]:
    """Read "linf:8/255" as ("linf", Fraction(8, 255)).

    Raise ValueError if the norm is unknown, or eps is missing, not a number or not above 0.
    """
    norm, _, radius = text.strip().partition(":")
    if (norm not in NORMS or "_" in radius) and (meant := _read_loosely(text)):
        raise ValueError(f"{text!r}: write {'NORM:EPS, as ' * text.strip()[:1].isdigit()}{meant}")
    if norm not in NORMS:
        raise ValueError(f"{text!r}: unknown norm {suggest(norm, NORMS)}; write NORM:EPS, as linf:8/255")
    try:
        eps = _read_eps(radius)
        size = float(eps)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(f"{text!r}: eps must be a number such as 8/255, as in {norm}:8/255, got {radius!r}") from None
    if size <= 0:  # also what no float can hold
        raise ValueError(f"{text!r}: eps must be above 0, got {radius}")
    return norm, eps


def _read_eps(text: str) -> Fraction:
    """Read "8/255", "0.5/255" or "0.03"; ValueError or ZeroDivisionError for anything else."""
    numerator, denominator = text.split("/") if "/" in text else (text, "1")
    if not all(re.fullmatch(NUMBER, number.strip()) for number in (numerator, denominator)):
        raise ValueError("an exact fraction of such a number would fill the memory")
    return Fraction(numerator) / Fraction(denominator)


def _read_loosely(text: str) -> str:
    """Return what is meant by "Linf:8/255", "l_inf = 8/255" or "8/255" alone, as it is to be typed; "" if unclear."""
    match = re.fullmatch(r"\s*(.*?)[\s:=,(_-]*([\d.][\d./_]*)\s*\)?\s*", text)
    if not match:
        return ""
    word = plain(match[1])
    norm = word if word in NORMS else look_up_synonym("norm", word)
    eps = match[2].replace("_", "/")
    if word in ("", "eps", "epsilon"):
        norm, eps = "linf", f"{eps}/255" if eps.isdigit() and int(eps) > 1 else eps
    try:
        return threat_text(*parse_threat(f"{norm}:{eps}")) if norm else ""
    except ValueError:
        return ""


def threat_text(norm: str, eps: Fraction) -> str:
    """Spell a threat model canonically: short decimals as decimals, 255ths as 255ths ("linf:0.15", "linf:6/255")."""
    decimal = f"{float(eps):.6g}"
    if "e" not in decimal and Fraction(decimal) == eps:
        return f"{norm}:{decimal}"
    if 510 % eps.denominator == 0:  # also half a level, as 0.5/255
        whole, half = divmod(2 * 255 * eps, 2)
        return f"{norm}:{whole}{'.5' if half else ''}/255"
    return f"{norm}:{eps}"


# The tables that were read, by the canonical word, whose digest is that of the content.
_tables: dict[str, Table] = {}


def canonical_threat(text: str, folder: Path = Path()) -> str:
    """Return a threat model, or a union such as "linf:8/255+l2:0.5", in its canonical spelling.

    A file in it is read, below `folder`, and named by its content: "features:loans-1a2b3c4d". Raise ValueError as
    `parse_threat` does, and for what is wrong with the file.
    """
    if FEATURES not in text and not is_product(text):
        return _canonical_balls(text)
    return "+".join(_canonical_part(part.strip(), folder) for part in text.split("+"))


def is_product(text: str) -> bool:
    """Whether a threat model, or a part of a union, names the parts of several inputs."""
    return ";" in text or any(PART.match(part) for part in text.split("+"))


def split_product(text: str) -> dict[str, str]:
    """Return the balls of a product, "image=linf:8/255;meta=linf:0.1", by the names of their parts, sorted by these.

    Raise ValueError, in one line, for what is no product of balls.
    """
    balls: dict[str, str] = {}
    for piece in text.split(";"):
        if not (match := PART.fullmatch(piece)):
            form = "write PART=NORM:EPS for each input that may change, as image=linf:8/255;meta=linf:0.1"
            raise ValueError(f"{text!r}: {piece.strip()!r} names no part and its ball; {form}")
        name, ball = match[1], match[2].strip()
        if family_of(ball) == FEATURES:
            raise ValueError(
                f"{text!r}: a part's threat is a ball, of {', '.join(NORMS)}; a table's file is for one input"
            )
        if name in balls:
            raise ValueError(f"{text!r} gives {name} twice")
        try:
            balls[name] = threat_text(*parse_threat(ball))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return dict(sorted(balls.items()))


@lru_cache(256)  # thousands of records have the same few
def _canonical_balls(text: str) -> str:
    return "+".join(threat_text(*parse_threat(part)) for part in text.split("+"))


def _canonical_part(text: str, folder: Path) -> str:
    if is_product(text):
        return ";".join(f"{name}={ball}" for name, ball in split_product(text).items())
    word, _, file = text.partition(":")
    if word != FEATURES:
        return _canonical_balls(text)
    if DIGESTED.fullmatch(text):
        return text
    if not file.endswith(".toml"):
        raise ValueError(f"{text!r}: name the file of the table, as features:loans.toml")
    path = folder / file
    return keep_table(slug(path.stem), read_table_file(path))


def keep_table(stem: str, table: Table) -> str:
    """Keep a table under its canonical word, which is returned: "features:loans-1a2b3c4d"."""
    word = f"{FEATURES}:{stem}-{table.digest}"
    _tables[word] = table
    return word


def find_table(word: str) -> Table:
    """Return the table of a canonical word; ValueError if this process has not read it."""
    if word not in _tables:
        raise ValueError(f"{word!r}: the table with this content was not read; name its file, as features:loans.toml")
    return _tables[word]


def tables_of(threat: str) -> dict[str, str]:
    """Return the content of the tables in a threat model, as JSON, by their canonical words."""
    return {part: find_table(part).content for part in threat.split("+") if family_of(part) == FEATURES}


def learn_tables(tables: dict[str, str]) -> None:
    """Keep the tables that `tables_of` returned elsewhere; ValueError if a content is not what its word says."""
    for word, content in tables.items():
        table = read_table(content)
        if keep_table(word.partition(":")[2].rpartition("-")[0], table) != word:
            raise ValueError(f"the table of {word} has another content: its digest is {table.digest}")


def family_of(part: str) -> str:
    """Return the family of a threat model that is no union: "linf", "features", "product"."""
    return PRODUCT if is_product(part) else part.partition(":")[0]


def parts_of(threats: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the parts that products among the threat models change, sorted."""
    products = [part for threat in threats for part in threat.split("+") if is_product(part)]
    return tuple(sorted({name for product in products for name in split_product(product)}))


def families_of(threats: Iterable[str]) -> set[str]:
    """Return the families of threat models, and of the parts of unions."""
    return {family_of(part) for threat in threats for part in threat.split("+")}


def has_eps(threat: str) -> bool:
    """Whether a threat model is one ball, whose eps is one number: no union, and no table."""
    return "+" not in threat and family_of(threat) in NORMS


def describe_threat(text: str, lo: float, hi: float) -> str:
    """Return a threat model with its linf eps in shares of the range of the inputs, unless that is 1 wide.

    "linf:8/255 = 1.6 % of -1..1 (4/255 of 0..1)": whoever thinks of inputs in [0, 1] sees another ball.
    """
    return " + ".join(_describe_ball(part, lo, hi) for part in text.split("+")) if hi - lo != 1 else text


def _describe_ball(text: str, lo: float, hi: float) -> str:
    if family_of(text) in (FEATURES, PRODUCT):
        return text
    norm, eps = parse_threat(text)
    if norm != "linf":
        return text
    share = float(eps) / (hi - lo)
    percent = f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"
    return f"{text} = {percent} % of {lo:g}..{hi:g} ({255 * share:.3g}/255 of 0..1)"


@lru_cache(256)
def threat_slug(text: str) -> str:
    """Return a threat model as part of node ids and folders: "linf-8_255"."""
    return slug(text.replace(":", "-"))
