"""Mount the shipped tests on the user's model file, so that they are ordinary test functions with its node ids."""

from collections.abc import Generator, Iterable
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import pytest

from robust.session.gates import pair_slug
from robust.session.settings import Settings


class RobustModelFile(pytest.Module):
    """A model file as a test module: its tests are those of model_tests.py."""

    def _getobj(self) -> ModuleType:
        from robust.session import model_tests

        return model_tests

    def funcnamefilter(self, name: str) -> bool:  # the user's python_functions is for the user's tests
        return name.startswith("test_")

    def classnamefilter(self, name: str) -> bool:
        return False

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        for item in super().collect():
            item.add_marker(pytest.mark.robust)
            yield item
        patterns = self.config.getini("python_files")
        if self.session.isinitpath(self.path) and any(fnmatch(self.path.name, pattern) for pattern in patterns):
            # Named on the command line this node stands for the whole file, so the user's own tests in it come along.
            own: pytest.Module = pytest.Module.from_parent(self.parent, path=self.path)
            yield from own.collect()


class Mount:
    """The collection hooks."""

    def __init__(self, rootpath: Path, settings: Settings) -> None:
        self.rootpath = rootpath
        self.settings = settings
        self.paths = [*dict.fromkeys(spec.path for spec in settings.models)]

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> RobustModelFile | None:
        """A node id of a model that is not Python code, given on the command line."""
        if file_path in self.paths and file_path.suffix != ".py" and parent.session.isinitpath(file_path):
            return self._node(parent, file_path)
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> RobustModelFile | None:
        """A node id of a Python model: ours comes before pytest's own, which would import it as a test module.

        A model in a file of tests that is only come across keeps its tests; ours are added below.
        """
        named = module_path in self.paths and parent.session.isinitpath(module_path)
        return self._node(parent, module_path) if named else None

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Add every model that the command line does not name itself."""
        report = yield
        if isinstance(collector, pytest.Session) and report.passed:
            named = [path for path in self.paths if collector.isinitpath(path)]
            if self.settings.only and not named:
                report.result = []
            if not named:
                report.result.extend(self._node(collector, path) for path in self.paths)
        return report

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test for every model and training, and of ours one for every attack and threat model.

        A test of the user's that asks for the model is run with each of them, too.
        """
        path = metafunc.definition.path
        if "_robust_variant" in metafunc.fixturenames and any(ids := self.settings.ids(path)):
            variants = self.settings.variants(path)
            metafunc.parametrize("_robust_variant", variants, indirect=True, ids=ids, scope="module")
        if metafunc.definition.getparent(RobustModelFile) and "attack" in metafunc.fixturenames:
            pairs = [(attack, threat) for threat in self.settings.threats for attack in self.settings.attacks]
            metafunc.parametrize(("attack", "threat"), pairs, ids=[pair_slug(*pair) for pair in pairs])

    def _node(self, parent: pytest.Collector, path: Path) -> RobustModelFile:
        """Outside the root folder the path itself is the id; pytest would leave it empty."""
        inside = path.is_relative_to(self.rootpath)
        nodeid = (path.relative_to(self.rootpath) if inside else path).as_posix()
        node: RobustModelFile = RobustModelFile.from_parent(parent, path=path, nodeid=nodeid)
        return node
