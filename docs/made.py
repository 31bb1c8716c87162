"""The parts of the pages that are made from the code: each a function that returns Markdown.

Tables stand in the pages, where tables.py puts them; what is long, or in Sphinx's own words, the site makes of a block
`{made} NAME`. There what has headings begins with one, for Sphinx puts what is above the first heading below the last
section.
"""

import contextlib
import io
import os
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from docs.included import page
from docs.source import ROOT, Option, Thing, exported, heading, papers, registered, things


def options() -> str:
    """Every option of the plugin, from the table that the plugin itself reads."""
    from robust.options import OPTIONS

    rows = []
    for option in OPTIONS:
        value = f"`{option.metavar}`{', or none' * option.bare}" if option.metavar else ""
        key = (f"`{option.dest}`" if option.ini else "none") + "; may be repeated" * option.many
        rows.append((f"`--robust-{option.name}`", value, _told(option.help), key))
    return table(("option", "value", "what it says", "ini key"), rows)


def action() -> str:
    """The inputs and the outputs of the GitHub Action."""
    import yaml

    told = yaml.safe_load((ROOT / "action.yml").read_text())
    parts = []
    for kind in ("inputs", "outputs"):
        rows = [(f"`{name}`", _told(of["description"])) for name, of in told[kind].items()]
        parts.append(table((kind.removesuffix("s"), "what it is"), rows))
    return "\n".join(parts)


def commands() -> str:
    """What each command of `robust` prints with --help."""
    first = _help()
    names = re.findall(r"^    ([a-z]+) ", first, re.MULTILINE)
    parts = [f"## robust\n\n```text\n{first}```\n"]
    parts += [f"## robust {name}\n\n```text\n{_help(name)}```\n" for name in names]
    return "\n".join(parts)


def attacks() -> str:
    """One line for each attack: its name, what it is, and its paper."""
    return _lines(_attacks())


def each_attack() -> str:
    """A section for each attack: what it does, and its options."""
    return _sections(_attacks())


def wrapping() -> str:
    """What goes with every attack: one option each."""
    rows = [
        (f"`{option.name}`", f"`{option.default}`", papers(heading(path).removesuffix(".")))
        for path in sorted((ROOT / "attacks/combine").glob("[!_]*.py"))
        for thing in things(path)
        for option in thing.options
        if option.name in ("restarts", "targets", "odi", "eot")
    ]
    return table(("option", "default in Python", "what it is"), rows)


def recipes() -> str:
    """One line for each recipe, and for each of what wraps one."""
    return _lines(_recipes())


def each_recipe() -> str:
    """A section for each of these: what it does, and its options."""
    return _sections(_recipes())


def plan() -> str:
    """The options of the training loop."""
    (loop,) = (thing for thing in things(ROOT / "robust/train/plan.py") if thing.name == "Plan")
    return _options(loop.options)


def files(folder: str) -> str:
    """One line for each file of a package: its name, and how it begins."""
    paths = sorted((ROOT / folder).glob("[!_]*.py"))
    return table(("name", "what it is"), [_line(path.stem.replace("_", "-"), heading(path)) for path in paths])


def data() -> str:
    """One line for each data set, with the threat model that is taken where none is given."""
    rows = []
    for path in sorted((ROOT / "robust/data/sets").glob("[!_]*.py")):
        threat = re.search(r'threat="([^"]+)"', path.read_text())
        rows.append((*_line(path.stem.replace("_", "-"), heading(path)), f"`{threat[1]}`" if threat else ""))
    return table(("name", "what it is", "threat model by default"), rows)


def suites() -> str:
    """What each suite is for, as its file begins, and its stages; the shortest suite first."""
    parts = []
    head = ("stage", "attack", "norms", "hardest", "least", "patience", "further")
    texts = {path: path.read_text() for path in (ROOT / "attacks/suites").glob("*.toml")}
    for path, text in sorted(texts.items(), key=lambda item: item[1].count("[[stages]]")):
        told = "\n".join(line.removeprefix("#").strip() for line in text.partition("[[")[0].split("\n"))
        stages = enumerate(tomllib.loads(text)["stages"], 1)
        rows = [(str(k), f"`{stage['attack']}`", *_stage(stage)) for k, stage in stages]
        parts.append(f"## {path.stem}\n\n{papers(told.strip())}\n\n{table(head, rows)}")
    return "\n".join(parts)


def fixtures() -> str:
    """The fixtures for users' own tests, and what they return."""
    parts = [
        f":::{{py:function}} {thing.name}\n{thing.doc}\n:::\n"
        for thing in things(ROOT / "robust/plugin.py")
        if thing.name.startswith("robust_")
    ]
    for module, name in (("own", "Attacker"), ("own", "Report"), ("result", "Result")):
        (thing,) = (thing for thing in things(ROOT / f"robust/session/{module}.py") if thing.name == name)
        parts.append(_described(thing, f"robust.session.{module}"))
    return "\n".join(parts)


def hooks() -> str:
    return "\n".join(
        f"::::{{py:function}} {thing.name}{thing.signature}{thing.returns}\n{_doc(thing)}\n::::\n"
        for thing in things(ROOT / "robust/hookspec.py")
    )


def api(module: str) -> str:
    """Every name of a package's __all__, from the docstrings."""
    return "\n".join(_described(thing, module) for _, thing in exported(module))


MAKERS: dict[str, Callable[..., str]] = {
    make.__name__: make
    for make in (
        action,
        api,
        attacks,
        commands,
        data,
        each_attack,
        each_recipe,
        files,
        fixtures,
        hooks,
        options,
        page,
        plan,
        recipes,
        suites,
        wrapping,
    )
}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    head = list(head)
    lines = [head, [":---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _attacks() -> list[Thing]:
    return registered("attacks/zoo") + registered("attacks/external")


def _recipes() -> list[Thing]:
    wrappers = [replace(thing, name=f"+{thing.name}") for thing in registered("robust/train/wrappers")]
    return registered("robust/train/recipes") + wrappers


def _lines(found: list[Thing]) -> str:
    return table(("name", "what it is"), [_line(thing.name, thing.heading) for thing in found])


def _line(name: str, told: str) -> tuple[str, str]:
    """A name, and what its file says of it without the name."""
    return f"`{name}`", papers(re.sub(rf"^{re.escape(name.removeprefix('+'))}[:,] ", "", told))


def _sections(found: list[Thing]) -> str:
    parts = []
    for thing in found:
        told = f"{papers(thing.heading)}\n\n{papers(_doc(thing))}\n\n{_options(thing.options)}"
        parts.append(f"### {thing.name}\n\n{told}")
    return "\n".join(parts)


def _options(found: tuple[Option, ...]) -> str:
    rows = [(f"`{o.name}`", f"`{o.default}`" if o.default is not None else "", papers(o.says)) for o in found]
    return table(("option", "default", "what it is"), rows) if rows else "It has no options.\n"


def _stage(stage: dict[str, Any]) -> tuple[str, ...]:
    """A stage as told in the table: what is by default is left out."""
    further = ", ".join(word for word in ("widen", "follow") if stage.get(word))
    norms = ", ".join(stage.get("norms", ["all"]))
    return norms, *(str(stage.get(key, "")) for key in ("hardest", "least", "patience")), further


def _described(thing: Thing, module: str) -> str:
    """A class or function as Sphinx's Python domain shows it, with its options and its methods."""
    if thing.kind == "data":
        return f":::{{py:data}} {module}.{thing.name}\n:type: {thing.returns}\n\n{thing.heading}\n:::\n"
    lines = [f":::::{{py:{thing.kind}}} {module}.{thing.name}{thing.signature}{thing.returns}", papers(_doc(thing)), ""]
    if any(option.says for option in thing.options):
        lines.append(_options(thing.options))
    for member in thing.members:
        if member.kind == "property":
            lines += [f"::::{{py:property}} {member.name}", f":type: {member.returns.removeprefix(' -> ')}", ""]
        else:
            lines.append(f"::::{{py:method}} {member.name}{member.signature}{member.returns}")
        lines += [papers(_doc(member)), "::::", ""]
    return "\n".join([*lines, ":::::", ""])


def _doc(thing: Thing) -> str:
    """A docstring as Markdown: what follows a double colon is a block of code."""
    text, _, code = thing.doc.partition(" ::\n")
    if not code:
        return thing.doc
    lines = "\n".join(line.removeprefix("    ") for line in code.strip("\n").split("\n"))
    return f"{text}\n\n```python\n{lines}\n```"


def _told(text: str) -> str:
    """A help text, where options are code."""
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
