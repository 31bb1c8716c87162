"""Rows of a table checked again: the constraints of its file evaluated with numpy, in float64.

Nothing here is shared with the attacks: the file's content is read anew, and a relation is calculated as it is written.
What an attacker leaves as it is need not keep anything: only what is changed is held to the file.
"""

import ast
import json
import operator
import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags

Floats = NDArray[np.float64]

SLACK = 1e-12  # of eps, as for balls
ROUNDING = 1e-6  # of the sizes of a relation's terms: what float32 loses
OPERATORS: dict[type[ast.AST], Any] = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


class Column(NamedTuple):
    """A column as its file says it."""

    name: str
    type: str
    lo: float
    hi: float
    eps: float  # in the column's own units; 0 if it is fixed
    monotone: str


def read_columns(content: str) -> list[Column]:
    """Return the columns of a table's content, JSON."""
    table = json.loads(content)
    return [_column(name, given, table) for name, given in table["features"].items()]


def _column(name: str, given: dict[str, Any], table: dict[str, Any]) -> Column:
    kind, fixed = given.get("type", "float"), given.get("fixed", False)
    if kind == "category":
        return Column(name, kind, 0.0, 1.0, 0.0 if fixed else float(given.get("eps", 1)), "")
    lo, hi, unit = float(given["lo"]), float(given["hi"]), table.get("unit", "range")
    share = 0.0 if fixed else float(given.get("eps", table.get("eps", 0)))
    size = {"range": hi - lo, "own": 1.0, "deviation": float(given.get("deviation", 0))}[unit]
    return Column(name, kind, lo, hi, share * size, given.get("monotone", ""))


def check_rows(content: str, x_adv: NDArray[Any], x: NDArray[Any]) -> tuple[Flags, Flags]:
    """Return (no change larger than eps, all else that the file demands is kept), each (n,), for rows (n, features)."""
    changed = _changed(x_adv, x)
    table, columns = json.loads(content), read_columns(content)
    values, clean = x_adv.astype(np.float64), x.astype(np.float64)
    eps = np.array([column.eps for column in columns])
    small: Flags = ~changed | (np.abs(values - clean) <= eps * (1 + SLACK))
    broken = [_break_own(columns, values, clean, changed), *_break_groups(table, columns, values, changed)]
    broken += [~kept for kept in _keep_relations(table, columns, values, changed).values()]
    inside: Flags = ~np.any(broken, axis=0)
    return np.logical_and.reduce(small, axis=1), inside


def find_violations(content: str, x: NDArray[Any]) -> dict[str, Flags]:
    """Return which of the rows x, (n, features), break a constraint, (n,), for each constraint that some break."""
    table, columns, values = json.loads(content), read_columns(content), x.astype(np.float64)
    everything = ~np.isnan(values)
    found: dict[str, Flags] = {}
    for k, column in enumerate(columns):
        value, there = values[:, k], everything[:, k]
        if column.type != "category":
            lo, hi = np.float32(column.lo), np.float32(column.hi)
            found[f"{column.name} from {column.lo:g} to {column.hi:g}"] = there & ~((value >= lo) & (value <= hi))
        if column.type == "integer":
            found[f"{column.name}, an integer"] = there & (value != np.rint(value))
    groups = zip(table.get("groups", {}), _break_groups(table, columns, values, everything), strict=True)
    found |= {f"group {name}, one 1": broken for name, broken in groups}
    found |= {text: ~kept for text, kept in _keep_relations(table, columns, values, everything).items()}
    return {constraint: broken for constraint, broken in found.items() if broken.any()}


def move_near(content: str, x: NDArray[np.float32], signs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows near x, (n, features): each float moves by its eps up or down; they need not keep the relations."""
    columns = read_columns(content)
    steps = np.array([column.eps if column.type == "float" else 0.0 for column in columns], np.float32)
    lo, hi = (np.array([getattr(column, key) for column in columns], np.float32) for key in ("lo", "hi"))
    moved: NDArray[np.float32] = np.where(steps > 0, np.clip(x + steps * signs, lo, hi), x)
    return moved


def _changed(x_adv: NDArray[Any], x: NDArray[Any]) -> Flags:
    """Mark the values whose bits differ, (n, features)."""
    bits = [np.ascontiguousarray(part.astype(np.float32)).view(np.uint32) for part in (x_adv, x)]
    different: Flags = bits[0] != bits[1]
    return different


def _break_own(columns: list[Column], values: Floats, clean: Floats, changed: Flags) -> Flags:
    """Mark the rows with a changed value that is no value of its column, (n,)."""
    lo = np.array([column.lo for column in columns], np.float32).astype(np.float64)
    hi = np.array([column.hi for column in columns], np.float32).astype(np.float64)
    whole = np.array([column.type != "float" for column in columns])
    up, down = (np.array([column.monotone == way for column in columns]) for way in ("increasing", "decreasing"))
    with np.errstate(invalid="ignore"):
        right = (values >= lo) & (values <= hi) & ~(whole & (values != np.rint(values)))
        right &= ~(up & (values < clean)) & ~(down & (values > clean))
    broken: Flags = (changed & ~(right & ~np.isnan(clean))).any(1)
    return broken


def _break_groups(table: dict[str, Any], columns: list[Column], values: Floats, changed: Flags) -> list[Flags]:
    """Mark for each group the rows that changed in it and have not exactly one 1 there, (n,)."""
    names = [column.name for column in columns]
    found = []
    for members in table.get("groups", {}).values():
        at = [names.index(member) for member in members]
        one_hot = (np.isin(values[:, at], (0, 1)).all(1)) & (values[:, at].sum(1) == 1)
        found.append(changed[:, at].any(1) & ~one_hot)
    return found


def _keep_relations(table: dict[str, Any], columns: list[Column], values: Floats, changed: Flags) -> dict[str, Flags]:
    """Mark for each relation the rows that keep it, (n,); or changed nothing in it, or lack a value in it."""
    names = [column.name for column in columns]
    kept = {}
    for text in table.get("relations", []):
        left, sign, right, used = _parse(text, names)
        a, b = _calculate(left, values), _calculate(right, values)
        size = _calculate(left, np.abs(values), sizes=True) + _calculate(right, np.abs(values), sizes=True)
        excess = {"<=": a - b, ">=": b - a, "==": np.abs(a - b)}[sign]
        idle = ~changed[:, used].any(1) | np.isnan(values[:, used]).any(1)
        kept[text] = idle | (excess <= ROUNDING * size)
    return kept


def _parse(text: str, names: list[str]) -> tuple[ast.expr, str, ast.expr, list[int]]:
    """Return (left side, comparison, right side, the columns in it) of a relation, its names written as x0, x1, ..."""
    longest = sorted(names, key=len, reverse=True)
    either = "|".join(re.escape(name) for name in longest)
    used: list[int] = []

    def number(match: re.Match[str]) -> str:
        used.append(names.index(match[0]))
        return f" x{used[-1]} "

    plain = re.sub(rf"(?<!\w)(?:{either})(?!\w)", number, text)
    match = re.fullmatch(r"(.*?)(<=|>=|==)(.*)", plain)
    if match is None:
        raise ValueError(f"{text!r} is no relation")
    left, right = (ast.parse(side.strip(), mode="eval").body for side in (match[1], match[3]))
    return left, match[2], right, used


def _calculate(node: ast.expr, values: Floats, *, sizes: bool = False) -> Floats:
    """Calculate a sum of products for rows of values, (n, features); of `sizes` the terms are all added."""
    if isinstance(node, ast.Name):
        named: Floats = values[:, int(node.id[1:])]
        return named
    if isinstance(node, ast.Constant):
        return np.full(len(values), float(node.value))  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp):
        inner = _calculate(node.operand, values, sizes=sizes)
        return inner if sizes or isinstance(node.op, ast.UAdd) else -inner
    assert isinstance(node, ast.BinOp)
    kind = ast.Add if sizes and isinstance(node.op, ast.Sub) else type(node.op)
    left, right = (_calculate(side, values, sizes=sizes) for side in (node.left, node.right))
    result: Floats = OPERATORS[kind](left, right)
    return result
