"""Names of things: attacks, data sets, recipes. A new thing is one new file in a package, or an entry point.

A thing is named as its file (`fgsm_rs.py` holds `fgsm-rs`), so the names are known without importing anything.
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

T = TypeVar("T")

MAX_NAMES = 20  # more than that are no longer one line: then the nearest are told


def suggest(name: str, known: Iterable[str]) -> str:
    """The tail of a message about an unknown name: "'pdg', did you mean 'pgd'? Known: fgsm, pgd"."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f", did you mean {close[0]!r}?" if close else "."
    listed = (
        known if len(known) <= MAX_NAMES else [*difflib.get_close_matches(name, known, 8, 0), f"... ({len(known)})"]
    )
    return f"{name!r}{hint} Known: {', '.join(listed) or 'none'}"


class Registry(Generic[T]):
    """Things of one kind by name: those of the files in `packages`, and third parties' through `group` entry points."""

    def __init__(self, kind: str, packages: Iterable[str], group: str) -> None:
        self.kind = kind
        self._packages = tuple(packages)
        self._group = group
        self._things: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator: the thing under it is found by `name`. A taken name is refused."""

        def add(thing: T) -> T:
            taken = self._things.get(name)
            if taken is not None and _place(taken) != _place(thing):  # a reloaded module registers itself again
                raise ValueError(f"the {self.kind} name {name!r} is taken by {_place(taken)}; choose another")
            self._things[name] = thing
            return thing

        return add

    @contextmanager
    def adding(self, name: str, thing: T) -> Iterator[T]:
        """Register a thing under a free name for the length of a block, as tests do, and remove it afterwards."""
        if name in self:
            raise ValueError(f"the {self.kind} name {name!r} is taken; choose another")
        self._things[name] = thing
        try:
            yield thing
        finally:
            self._things.pop(name, None)

    def names(self) -> list[str]:
        """All names, sorted, without importing what they stand for."""
        return sorted({*self._things, *self._files(), *self._entries()})

    def __contains__(self, name: str) -> bool:
        return name in self._things or name in self._files() or name in self._entries()

    def get(self, name: str) -> T:
        """The thing called `name`; LookupError, with the nearest name, where there is none."""
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

    def about(self, name: str) -> str:
        """What the file of the thing says of it, or a third party's own docstring: the first line."""
        thing = self.get(name)
        file = self._files().get(name)
        told = (importlib.import_module(file) if file else thing).__doc__ or ""
        return re.sub(rf"^{re.escape(name)}[:,] ", "", told.strip().partition("\n")[0])

    def refuse(self, name: str, *also: str) -> NoReturn:
        """Raise the LookupError for an unknown name, with the nearest that is known, or is one of `also`."""
        told = suggest(name, [*self.names(), *also])
        own = f"; one of your own is registered first: for pytest in conftest.py, or by an entry point of {self._group}"
        raise LookupError(f"unknown {self.kind} {told}{own * ('did you mean' not in told)}")

    def _files(self) -> dict[str, str]:
        found = {}
        for package in self._packages:
            spec = find_spec(package)
            for folder in (spec and spec.submodule_search_locations) or ():
                for file in Path(folder).glob("[!_]*.py"):
                    found[file.stem.replace("_", "-")] = f"{package}.{file.stem}"
        return found

    def _entries(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=self._group)}


def _place(thing: object) -> str:
    thing = getattr(thing, "read", thing)  # a data set is told by its reader
    return f"{getattr(thing, '__module__', '?')}.{getattr(thing, '__qualname__', thing)}"


# The things are classes: frozen dataclasses that keep the Attack protocol of engine.py.
ATTACKS: Registry[type[Any]] = Registry("attack", ("robust.attacks.zoo", "robust.attacks.external"), "robust.attacks")
