"""The parts of the pages that are made from the code: each is a function that returns Markdown.

tables.py writes what they return into the pages, so that it can be read on GitHub, in a clone and on the site.
"""

import contextlib
import io
import os
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from docs.source import ROOT, Option, Thing, exported, heading, papers, registered, things, words


def options() -> str:
    """Return the options of the plugin, from the table that the plugin itself reads."""
    from robust.options import OPTIONS

    rows = []
    for option in OPTIONS:
        value = f"`{option.metavar}`{', or none' * option.bare}" if option.metavar else ""
        key = (f"`{option.dest}`" if option.ini else "none") + "; may be repeated" * option.many
        rows.append((f"`--robust-{option.name}`", value, _marked(option.help), key))
    return table(("option", "value", "what it says", "ini key"), rows)


def action() -> str:
    """Return the inputs and the outputs of the GitHub Action."""
    import yaml

    content = yaml.safe_load((ROOT / "action.yml").read_text())
    parts = []
    for kind in ("inputs", "outputs"):
        rows = [(f"`{name}`", _marked(of["description"])) for name, of in content[kind].items()]
        parts.append(table((kind.removesuffix("s"), "what it is"), rows))
    return "\n".join(parts)


def commands() -> str:
    """Return the help text of each command of `robust`."""
    first = _help()
    names = re.findall(r"^    ([a-z]+) ", first, re.MULTILINE)
    parts = [f"## robust\n\n```text\n{first}```\n"]
    parts += [f"## robust {name}\n\n```text\n{_help(name)}```\n" for name in names]
    return "\n".join(parts)


def attacks() -> str:
    """Return one line for each attack: its name, what it is, and its paper."""
    return _lines(_attacks())


def each_attack() -> str:
    """Return a section for each attack: what it does, and its options."""
    return _sections(_attacks())


def wrapping() -> str:
    """Return the options that go with every attack."""
    rows = [
        (f"`{option.name}`", f"`{option.default}`", papers(heading(path).removesuffix(".")))
        for path in sorted((ROOT / "attacks/combine").glob("[!_]*.py"))
        for thing in things(path)
        for option in thing.options
        if option.name in ("restarts", "targets", "odi", "eot", "starts")
    ]
    return table(("option", "default in Python", "what it is"), rows)


def recipes() -> str:
    """Return one line for each recipe and for each wrapper of recipes."""
    return _lines(_recipes())


def each_recipe() -> str:
    """Return a section for each recipe and each wrapper: what it does, and its options."""
    return _sections(_recipes())


def plan() -> str:
    """Return the options of the training loop."""
    (loop,) = (thing for thing in things(ROOT / "robust/train/plan.py") if thing.name == "Plan")
    return _options(loop.options)


def files(folder: str) -> str:
    """Return one line for each file of a package: its name, and the start of its docstring."""
    paths = sorted((ROOT / folder).glob("[!_]*.py"))
    return table(("name", "what it is"), [_line(path.stem.replace("_", "-"), heading(path)) for path in paths])


def data() -> str:
    """Return one line for each data set, with its default threat model."""
    rows = []
    for path in sorted((ROOT / "robust/data/sets").glob("[!_]*.py")):
        threat = re.search(r'threat="([^"]+)"', path.read_text())
        rows.append((*_line(path.stem.replace("_", "-"), heading(path)), f"`{threat[1]}`" if threat else ""))
    return table(("name", "what it is", "threat model by default"), rows)


def operators() -> str:
    """Return the operators of networks that can be certified, a line for each kind of bounds."""
    rows = []
    for name, (kind, names) in OPERATORS.items():
        path = ROOT / f"robust/certification/{name}.py"
        rows.append((kind, ", ".join(f"`{word}`" for word in sorted(words(path, *names)))))
    return table(("kind", "operators"), rows)


def benchmark(name: str, number: str) -> str:
    """Return the table of that number, from 1, of a page of benchmarks/, whose figures were measured."""
    tables = re.findall(r"(?:^\|.*\n)+", (ROOT / f"benchmarks/{name}.md").read_text(), re.MULTILINE)
    found: str = tables[int(number) - 1]
    return found


def suites() -> str:
    """Return a section for each suite, the shortest first: the comment at the top of its file, and its stages."""
    parts = []
    head = ("stage", "attack", "for", "hardest", "least", "patience", "further")
    texts = {path: path.read_text() for path in (ROOT / "attacks/suites").glob("*.toml")}
    for path, text in sorted(texts.items(), key=lambda item: item[1].count("[[stages]]")):
        comment = "\n".join(line.removeprefix("#").strip() for line in text.partition("[[")[0].split("\n"))
        stages = enumerate(tomllib.loads(text)["stages"], 1)
        rows = [(str(k), f"`{stage['attack']}`", *_stage(stage)) for k, stage in stages]
        parts.append(f"## {path.stem}\n\n{papers(comment.strip())}\n\n{table(head, rows)}")
    return "\n".join(parts)


def fixtures() -> str:
    """Return a section for each fixture, and for each class that fixtures return."""
    found = [thing for thing in things(ROOT / "robust/plugin.py") if thing.name.startswith("robust_")]
    parts = [f"### {thing.name}\n\n{_doc(thing)}\n" for thing in found]
    for name, path in (
        ("Attacker", "robust/session/fixtures.py"),
        ("Report", "robust/session/fixtures.py"),
        ("Result", "robust/session/result.py"),
    ):
        (thing,) = (thing for thing in things(ROOT / path) if thing.name == name)
        parts.append(_described(thing))
    return "\n".join(parts)


def hooks() -> str:
    """Return a section for each hook."""
    return "\n".join(map(_described, things(ROOT / "robust/hookspec.py")))


def api(module: str) -> str:
    """Return a section for each name of a package's __all__."""
    return "\n".join(_described(thing) for _, thing in exported(module))


OPERATORS = {  # by the file: what they are, and the constants and functions there that name them
    "operators/affine": ("affine, with exact lines", ("STRUCTURE", "ELEMENTWISE", "WEIGHTED", "REPLACED", "OTHERS")),
    "operators/functions": ("functions of each number", ("CURVES",)),
    "operators/windows": ("maxima", ("POOLS", "OF_TWO", "ALONG")),
    "operators/products": ("products of two values of the network", ("BILINEAR",)),
    "simpler": ("functions of those above", ("SIMPLER",)),
}
TABLES = (action, attacks, benchmark, data, files, operators, options, plan, recipes, wrapping)
SECTIONS = (api, commands, each_attack, each_recipe, fixtures, hooks, suites)
MAKERS: dict[str, Callable[..., str]] = {make.__name__: make for make in (*TABLES, *SECTIONS)}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of Markdown."""
    head = list(head)
    lines = [head, [":---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _attacks() -> list[Thing]:
    return registered("attacks/zoo") + registered("attacks/external")


def _recipes() -> list[Thing]:
    wrappers = [replace(thing, name=f"+{thing.name}") for thing in registered("robust/train/wrappers")]
    return registered("robust/train/recipes") + wrappers


def _lines(listed: list[Thing]) -> str:
    return table(("name", "what it is"), [_line(thing.name, thing.heading) for thing in listed])


def _line(name: str, text: str) -> tuple[str, str]:
    """Return a name, and the first line of its file without the name."""
    return f"`{name}`", papers(re.sub(rf"^{re.escape(name.removeprefix('+'))}[:,] ", "", text))


def _sections(listed: list[Thing]) -> str:
    parts = []
    for thing in listed:
        body = f"{papers(thing.heading)}\n\n{papers(_doc(thing))}\n\n{_options(thing.options)}"
        parts.append(f"### {thing.name}\n\n{body}")
    return "\n".join(parts)


def _options(options: tuple[Option, ...]) -> str:
    rows = [(f"`{o.name}`", f"`{o.default}`" if o.default is not None else "", papers(o.says)) for o in options]
    return table(("option", "default", "what it is"), rows) if rows else "It has no options.\n"


def _stage(stage: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of a stage; defaults are left out."""
    near = [f"near {stage['near']:g}"] if "near" in stage else []
    further = ", ".join([*near, *(word for word in ("widen", "onward", "follow") if stage.get(word))])
    threats = ", ".join([*stage.get("threats", ["all norms"]), *stage.get("criteria", [])])
    return threats, *(str(stage.get(key, "")) for key in ("hardest", "least", "patience")), further


def _described(thing: Thing) -> str:
    """Return a section on a class, a function or a constant: its signature, docstring, options and methods."""
    parts = [f"### {thing.name}", _signature(thing), papers(_doc(thing) or thing.heading)]
    if thing.kind == "class" and not thing.signature:
        del parts[1]  # the name alone
    if any(option.says for option in thing.options):
        parts.append(_options(thing.options).rstrip("\n"))
    for member in thing.members:
        parts += [f"- {_signature(member)}", textwrap.indent(papers(_doc(member)), "  ")]
    return "\n\n".join(parts) + "\n"


def _signature(thing: Thing) -> str:
    if thing.kind in ("data", "property"):
        return f"`{thing.name}: {thing.returns.removeprefix(' -> ')}`"
    return f"`{thing.name}{thing.signature}{thing.returns}`"


def _doc(thing: Thing) -> str:
    """Return a docstring as Markdown; the lines that follow a double colon are a block of code."""
    text, _, code = thing.doc.partition(" ::\n")
    if not code:
        return thing.doc
    reason = "<!-- not run: it uses names of the reader's own -->"
    return f"{text}\n\n{reason}\n```python\n{textwrap.dedent(code).strip()}\n```"


def _marked(text: str) -> str:
    """Return a help text with its options as code."""
    return re.sub(r"(--robust-[a-z-]+)", r"`\1`", text)


def _help(*words: str) -> str:
    from robust.cli import main

    before = {key: os.environ.get(key) for key in ("COLUMNS", "NO_COLOR")}
    os.environ.update(COLUMNS="88", NO_COLOR="1")
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            main([*words, "--help"])
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
    return printed.getvalue()
