"""Registries of attacks, data sets, recipes and the like. A new thing is one new file in a package, or an entry point.

A thing has the name of its file (`fgsm_rs.py` holds `fgsm-rs`), so names are listed without importing anything.
"""

import difflib
import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from robust.attacks.synonyms import look_up_synonym, plain

T = TypeVar("T")

MAX_NAMES = 20  # more no longer fit in one line: then only the nearest are listed


def suggest(name: str, names: Iterable[str], kind: str = "") -> str:
    """Return the end of a message about an unknown name: "'pdg', did you mean 'pgd'? Known: fgsm, pgd".

    For a word of the field that is no name of this `kind`, it is what to type: "'apgd-dlr'; write apgd:loss=dlr".
    """
    names = sorted(names)
    called = re.fullmatch(r"([\w+-]+)[\s(]+(.*?)\)?", name)
    if called and called[1] in names:  # "pgd(steps=40)"
        return f"{name!r}; write {':'.join([called[1], *re.split('[, ]+', called[2])])}"
    same = [known for known in names if plain(known) == plain(name) != ""]
    if not same and (answer := look_up_synonym(kind, name)):
        return f"{name!r}; write {answer}"
    close = same or difflib.get_close_matches(name, names, n=1)
    hint = f", did you mean {close[0]!r}?" if close else "."
    listed = (
        names if len(names) <= MAX_NAMES else [*difflib.get_close_matches(name, names, 8, 0), f"... ({len(names)})"]
    )
    return f"{name!r}{hint} Known: {', '.join(listed) or 'none'}"


class Registry(Generic[T]):
    """Things of one kind by name: from the files of `packages`, and from third parties by entry points of `group`."""

    def __init__(self, kind: str, packages: Iterable[str], group: str) -> None:
        self.kind = kind
        self._packages = tuple(packages)
        self._group = group
        self._things: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers the thing under it as `name`; it raises ValueError if the name is taken."""

        def add(thing: T) -> T:
            taken = self._things.get(name)
            if taken is not None and _place(taken) != _place(thing):  # a reloaded module registers itself again
                raise ValueError(f"the {self.kind} name {name!r} is taken by {_place(taken)}; choose another")
            self._things[name] = thing
            return thing

        return add

    @contextmanager
    def adding(self, name: str, thing: T) -> Iterator[T]:
        """Register a thing for the length of a block, as tests do, and remove it afterwards.

        Raise ValueError if the name is taken.
        """
        if name in self:
            raise ValueError(f"the {self.kind} name {name!r} is taken; choose another")
        self._things[name] = thing
        try:
            yield thing
        finally:
            self._things.pop(name, None)

    def names(self) -> list[str]:
        """List all names, sorted, without importing the things."""
        return sorted({*self._things, *self._files(), *self._entries()})

    def __contains__(self, name: str) -> bool:
        return name in self._things or name in self._files() or name in self._entries()

    def get(self, name: str) -> T:
        """Return the thing called `name`; raise LookupError, with the nearest name, if there is none."""
        if name not in self._things:
            if name in (files := self._files()):
                importlib.import_module(files[name])
                if name not in self._things:
                    raise LookupError(
                        f"{files[name]} does not register the {self.kind} {name!r} that its name promises"
                    )
            elif name in (entries := self._entries()):
                self._things.setdefault(name, entries[name].load())
            else:
                self.refuse(name)
        return self._things[name]

    def find_file(self, name: str) -> Path | None:
        """Find the file that holds the thing, without importing it; None if no file of the packages does."""
        spec = find_spec(files[name]) if name in (files := self._files()) else None
        return Path(spec.origin) if spec and spec.origin else None

    def about(self, name: str) -> str:
        """Return the first line of the docstring of the thing's file, or of a third party's thing itself."""
        thing = self.get(name)
        file = self._files().get(name)
        doc = (importlib.import_module(file) if file else thing).__doc__ or ""
        return re.sub(rf"^{re.escape(name)}[:,] ", "", doc.strip().partition("\n")[0])

    def refuse(self, name: str, *also: str) -> NoReturn:
        """Raise the LookupError for an unknown name, with the nearest of the names and of `also`."""
        suggestion = suggest(name, [*self.names(), *also], self.kind)
        note = (
            f"; one of your own is registered first: for pytest in conftest.py, or by an entry point of {self._group}"
        )
        raise LookupError(f"unknown {self.kind} {suggestion}{note * ('. Known' in suggestion)}")

    def _files(self) -> dict[str, str]:
        """Return the modules of the packages, by the names of the things that they hold."""
        modules = {}
        for package in self._packages:
            spec = find_spec(package)
            for folder in (spec and spec.submodule_search_locations) or ():
                for file in Path(folder).glob("[!_]*.py"):
                    modules[file.stem.replace("_", "-")] = f"{package}.{file.stem}"
        return modules

    def _entries(self) -> dict[str, EntryPoint]:
        """Return the entry points of third parties, by name."""
        return {entry.name: entry for entry in entry_points(group=self._group)}


def _place(thing: object) -> str:
    """Return the module and the name of the code that a thing is."""
    thing = getattr(thing, "read", thing)  # a data set is identified by its reader
    return f"{getattr(thing, '__module__', '?')}.{getattr(thing, '__qualname__', thing)}"


# Classes: frozen dataclasses that implement the Attack protocol of engine.py.
ATTACKS: Registry[type[Any]] = Registry("attack", ("robust.attacks.zoo", "robust.attacks.external"), "robust.attacks")
