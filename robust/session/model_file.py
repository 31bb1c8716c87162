"""RobustModelFile: the user's model file as a test module, whose tests are the shipped ones."""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import pytest

from robust.session import SETTINGS


class RobustModelFile(pytest.Module):
    """A model file as a test module, with the tests of model_tests.py."""

    tests: ModuleType  # that module: it knows the whole run, of which this file knows nothing
    model: Path  # the ModelSpec's: this file, or a library and a name
    named: tuple[str, ...] = ()  # the tests of a library's model that the command line names; all if there are none
    existing: frozenset[str] = frozenset()  # those of `named` that exist

    def _getobj(self) -> ModuleType:
        return self.tests

    def funcnamefilter(self, name: str) -> bool:  # the user's python_functions is for the user's tests
        return name in self.config.stash[SETTINGS].tests

    def classnamefilter(self, name: str) -> bool:
        return False

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        for item in super().collect():
            named = {item.name, item.name.partition("[")[0]} & {*self.named}
            self.existing |= named
            if named or not self.named:
                item.add_marker(pytest.mark.robust)
                yield item
        patterns = self.config.getini("python_files")
        if (
            self.model == self.path
            and self.session.isinitpath(self.path)
            and any(fnmatch(self.path.name, pattern) for pattern in patterns)
        ):
            # Named on the command line this node stands for the whole file, so the user's own tests in it come along.
            users_file: pytest.Module = pytest.Module.from_parent(self.parent, path=self.path)
            yield from users_file.collect()


def model_path(node: pytest.Item | pytest.Collector) -> Path:
    """Return the path of the model of a shipped test, as its ModelSpec has it, or of the file of a user's test."""
    file = node.getparent(RobustModelFile)
    return file.model if file else node.path
