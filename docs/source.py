"""Read names, docstrings, options and signatures from the source of the code, without importing it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAPER = re.compile(r"(?<![\w/.])(\d{4}\.\d{4,5})(?![\w/])")


@dataclass(frozen=True, slots=True)
class Option:
    """A field of a dataclass, or an argument with a default."""

    name: str
    type: str
    default: str | None  # as written in the source; None if there is none
    says: str  # the comment at the end of its line


@dataclass(frozen=True, slots=True)
class Thing:
    """A class or a function."""

    name: str
    heading: str  # the first paragraph of its file: what it is, and the paper
    doc: str
    options: tuple[Option, ...]
    signature: str  # "(steps: int = 40)"
    returns: str  # " -> Outcome", or ""
    kind: str  # "class", "function", "property" or "data"
    members: tuple["Thing", ...] = ()


def place(module: str) -> Path:
    """Return the file of a module; robust.attacks is the folder attacks/."""
    words = module.split(".")
    path = ROOT.joinpath(*(words[1:] if words[:2] == ["robust", "attacks"] else words))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def things(path: Path) -> list[Thing]:
    """Return the classes, functions and annotated constants at the top of a file, in order."""
    return [
        _thing(node, heading(path), text)
        for text in [path.read_text()]
        for node in ast.parse(text).body
        if _named(node)
    ]


def heading(path: Path) -> str:
    """Return the first paragraph of a file's docstring, and its paragraphs that name papers, as one line."""
    first, *others = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")
    return " ".join(" ".join([first, *filter(PAPER.search, others)]).split())


def papers(text: str) -> str:
    """Return the text with its arXiv numbers as links."""
    return PAPER.sub(r"[\1](https://arxiv.org/abs/\1)", text)


def registered(folder: str) -> list[Thing]:
    """Return the classes that the files of a package register, under their registered names."""
    found = []
    for path in sorted((ROOT / folder).glob("[!_]*.py")):
        text = path.read_text()
        for node in ast.parse(text).body:
            for name in _registers(node):
                thing = _thing(node, heading(path), text)
                found.append(Thing(name, *(getattr(thing, key) for key in Thing.__slots__[1:])))
    return found


def words(path: Path, *names: str) -> list[str]:
    """Return the words in constants and functions at the top of a file, each once: of a dict its keys."""
    found: dict[str, None] = {}
    for node in ast.parse(path.read_text()).body:
        named = _assigned(node) or getattr(node, "name", "")
        if named not in names:
            continue
        value: ast.AST | None = getattr(node, "value", None)
        parts = value.keys if isinstance(value, ast.Dict) else ast.walk(_without_docstring(node))
        found |= dict.fromkeys(filter(None, map(_word, parts)))
    return list(found)


def _word(node: ast.AST | None) -> str:
    """Return a text, or the operator in aten.softmax.int that is a key; "" for other parts."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    dotted = ast.unparse(node).split(".") if isinstance(node, ast.Attribute) else []
    return dotted[1] if dotted[:1] == ["aten"] else ""


def exported(module: str) -> list[tuple[str, Thing]]:
    """Return (its module, thing) for each name in a package's __all__."""
    tree = ast.parse(place(module).read_text())
    home = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    (names,) = (
        ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign) and _sets(node, "__all__")
    )
    return [(home[name], next(t for t in things(place(home[name])) if t.name == name)) for name in names]


def _assigned(node: ast.stmt) -> str:
    """Return the name that a statement assigns to, or ""."""
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return targets[0].id if isinstance(targets[0], ast.Name) else ""


def _without_docstring(node: ast.stmt) -> ast.Module:
    body = node.body if isinstance(node, ast.FunctionDef) else [node]
    return ast.Module([part for part in body if not isinstance(getattr(part, "value", None), ast.Constant)], [])


def _sets(node: ast.Assign, name: str) -> bool:
    return ast.unparse(node.targets[0]) == name


def _named(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AnnAssign)


def _registers(node: ast.stmt) -> Iterator[str]:
    """Yield the names under which the decorators of a class register it."""
    for decorator in getattr(node, "decorator_list", ()):
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "attr", "") == "register":
            yield ast.literal_eval(decorator.args[0])


def _thing(node: ast.stmt, title: str, text: str) -> Thing:
    if isinstance(node, ast.ClassDef):
        options = tuple(_options(node, text))
        members = tuple(_thing(part, "", text) for part in node.body if _is_told(part))
        signature = f"({', '.join(map(_argument, options))})" if _is_dataclass(node) else ""
        return Thing(node.name, title, ast.get_docstring(node) or "", options, signature, "", "class", members)
    if isinstance(node, ast.FunctionDef):
        marks = {ast.unparse(mark) for mark in node.decorator_list}
        own = marks & {"property", "cached_property"}
        for argument in (*node.args.args, *node.args.kwonlyargs):
            argument.annotation = _unquoted(argument.annotation)
        signature = re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args))
        returns = f" -> {ast.unparse(node.returns)}".replace("'", "") if node.returns else ""
        doc = ast.get_docstring(node) or ""
        if own:
            return Thing(node.name, title, doc, (), "", returns, "property")
        return Thing(node.name, title, doc, (), f"({signature})", returns, "function")
    assert isinstance(node, ast.AnnAssign)
    return Thing(ast.unparse(node.target), title, "", (), "", ast.unparse(node.annotation), "data")


def _is_told(node: ast.stmt) -> bool:
    """Whether a method is for users: it has a docstring, and no underscore; or it is __call__."""
    if not isinstance(node, ast.FunctionDef) or not ast.get_docstring(node):
        return False
    return node.name == "__call__" or not node.name.startswith("_")


def _unquoted(hint: ast.expr | None) -> ast.expr | None:
    """Return an annotation without the quotes around it, if it has any."""
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        return ast.parse(hint.value, mode="eval").body
    return hint


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(mark) for mark in node.decorator_list) or any(
        ast.unparse(base) == "NamedTuple" for base in node.bases
    )


def _options(node: ast.ClassDef, text: str) -> Iterator[Option]:
    lines = text.split("\n")
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and "ClassVar" not in (hint := ast.unparse(part.annotation)):
            line = lines[(part.end_lineno or 0) - 1][part.end_col_offset or 0 :]
            says = line.partition("#")[2].strip()
            default = ast.unparse(part.value) if part.value else None
            yield Option(ast.unparse(part.target), hint.replace("'", ""), default, says)


def _argument(option: Option) -> str:
    return f"{option.name}: {option.type}" + (f" = {option.default}" if option.default is not None else "")
