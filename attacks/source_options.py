"""The options of attacks by the attacks' source: mistakes are told while tests are collected, which imports no torch.

An attack is a dataclass: its fields say the names and the types of options, and `__post_init__` checks their values.
"""

import ast
import builtins
from collections.abc import Callable
from dataclasses import field, make_dataclass
from functools import cache, reduce
from operator import or_
from pathlib import Path
from typing import Any

from robust.attacks.registry import ATTACKS
from robust.attacks.spec import Spec, check_at_least_1, check_loss, configure, describe_alone

COMBINE = Path(__file__).parent / "combine"
WRAPPERS = (
    "odi",
    "eot",
    "starts",
    "targets",
    "restarts",
)  # options of every attack, and the files of their classes
SURROGATE = "surrogate"  # likewise an option of every attack; its value is a model
TYPES = {kind.__name__: kind for kind in (bool, int, float, str)}  # of options
CHECKS = {check.__name__: check for check in (check_at_least_1, check_loss)}  # that check values, and need no torch


def check_options(spec: Spec) -> None:
    """Raise a ValueError, that of `make`, for an option that the attack does not have, or a value that it refuses.

    Pass what the source does not say: an attack of others, a check that calls other code. `make` finds it later.
    """
    own, path = spec, ATTACKS.find_file(spec.name)
    for option in (*WRAPPERS, SURROGATE):
        own = own.without(option)
    alone = False
    if path and (cls := _read_class(path)):
        configure(cls, own)
        alone = cls.alone
    for option in WRAPPERS:
        given = tuple(pair for pair in spec.options if pair[0] == option)
        if given and alone:
            raise ValueError(describe_alone(spec, option))
        if given and (cls := _read_class(COMBINE / f"{option}.py", option)):
            configure(cls, Spec(spec.name, options=given), attack=None)


@cache
def _read_class(path: Path, option: str = "") -> type[Any] | None:
    """Return a dataclass with the fields and the check of an attack, or of the wrapper with `option`, in a file.

    None if there is none, or it has defaults that are no literals.
    """
    tree = ast.parse(path.read_text("utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and _is_wanted(node, option)]
    if len(found) != 1:
        return None
    try:
        fields = [_read_field(item) for item in _list_fields(found[0])]
    except ValueError:
        return None
    check = _read_check(found[0], {name for name, *_ in fields})
    namespace = {"__post_init__": check, "alone": "alone: ClassVar[bool] = True" in map(ast.unparse, found[0].body)}
    return make_dataclass(found[0].name, fields, namespace=namespace, frozen=True)


def _is_wanted(node: ast.ClassDef, option: str) -> bool:
    """Whether this is the wrapper with the option; without one, whether it is registered and reads no spec itself."""
    if option:
        return option in (ast.unparse(item.target) for item in _list_fields(node))
    registered = any(ast.unparse(mark).startswith("ATTACKS.register(") for mark in node.decorator_list)
    return registered and not any(isinstance(item, ast.FunctionDef) and item.name == "from_spec" for item in node.body)


def _list_fields(node: ast.ClassDef) -> list[ast.AnnAssign]:
    annotated = [item for item in node.body if isinstance(item, ast.AnnAssign)]
    return [item for item in annotated if not ast.unparse(item.annotation).startswith("ClassVar")]


def _read_field(item: ast.AnnAssign) -> tuple[str, Any, Any]:
    """Return (name, type, field); ValueError if the default is no literal. Only types of options count."""
    names = [node.id for node in ast.walk(item.annotation) if isinstance(node, ast.Name)]
    kinds = [TYPES[name] for name in names if name in TYPES]
    default = field() if item.value is None else field(default=ast.literal_eval(item.value))
    return ast.unparse(item.target), reduce(or_, kinds) if kinds else object, default


def _read_check(node: ast.ClassDef, fields: set[str]) -> Callable[[Any], None]:
    """Return the `__post_init__` of a class; one that accepts all if there is none, or it uses more than the fields."""
    found = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__post_init__"]
    parts = [part for item in found for part in ast.walk(item)]
    names = {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}
    known = {"self", *CHECKS, *dir(builtins)}
    known |= {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    used = {part.attr for part in parts if isinstance(part, ast.Attribute) and ast.unparse(part.value) == "self"}
    if not found or not names <= known or not used <= fields:
        return lambda self: None
    namespace: dict[str, Any] = {**CHECKS}
    exec(compile(ast.Module([*found], []), f"<options of {node.name}>", "exec"), namespace)
    check: Callable[[Any], None] = namespace["__post_init__"]
    return check
