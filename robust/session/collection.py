"""Collect the shipped tests as tests of the user's model file: ordinary test functions with its node ids.

An architecture of a library has no such file: its tests are zoo:cnn::test_clean, as if in a file in the root folder.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from robust.attacks.text import printable
from robust.attacks.words import threat_slug
from robust.gates import pair_slug
from robust.models.spec import ModelSpec
from robust.options import dest
from robust.session import model_tests
from robust.session.model_file import RobustModelFile, model_path
from robust.session.places import needs_model, point_at_users_file
from robust.settings.settings import Settings


class CollectionHooks:
    """The collection hooks."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.rootpath = config.rootpath
        self.settings = settings
        self.prefixes = {prefix: spec.path for spec in settings.models if (prefix := self._id_prefix(spec))}
        self.paths = [*dict.fromkeys(spec.path for spec in settings.models if spec.path not in self.prefixes.values())]
        self.named = self._take_node_ids(config)
        self.absent = self._is_absent(config)
        self.library_nodes: list[RobustModelFile] = []

    def _id_prefix(self, spec: ModelSpec) -> Path | None:
        """Return what the tests' ids begin with if a model is no file, but a library's or a folder; else None."""
        if spec.library is None and spec.path.is_dir():
            return self._id(spec.path)
        return spec.path if spec.library else None

    def _id(self, path: Path) -> Path:
        """Return the path as a node id. Outside the root folder it is the path itself; pytest would leave it empty."""
        inside = path.is_relative_to(self.rootpath)
        return Path(printable((path.relative_to(self.rootpath) if inside else path).as_posix()))

    def _take_node_ids(self, config: pytest.Config) -> dict[Path, list[str]]:
        """Take the node ids of models that are no files out of the command line: pytest would look for such files.

        Returns what each names after its "::"; "" stands for all tests.
        """
        named: dict[Path, list[str]] = {}
        others = []
        for arg in config.args:
            prefix, _, test = arg.partition("::")
            if (path := Path(prefix)) in self.prefixes:
                named.setdefault(path, []).append(test)
            else:
                others.append(arg)
        config.args = others
        return named

    def _is_absent(self, config: pytest.Config) -> bool:
        """Whether only files of the user's are selected, in a project whose ini file happens to name models.

        An option that names a model selects the shipped tests, and so does a folder, or no argument at all.
        """
        typed = self.settings.only or self.named or config.getoption(dest("model")) is not None
        if typed or config.args_source is not pytest.Config.ArgsSource.ARGS:
            return False
        names = (arg.partition("::")[0] for arg in config.args)
        paths = [Path(os.path.abspath(config.invocation_params.dir / name)) for name in names]
        return all(path.is_file() and path not in self.paths for path in paths)

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> RobustModelFile | None:
        """Collect a model that is not Python code, if the command line names it."""
        if file_path in self.paths and file_path.suffix != ".py" and parent.session.isinitpath(file_path):
            return self._node(parent, file_path)
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> RobustModelFile | None:
        """Collect a Python model that the command line names, before pytest imports it as a test module.

        A file of tests that the command line does not name keeps its tests; the shipped ones are added below.
        """
        named = module_path in self.paths and parent.session.isinitpath(module_path)
        return self._node(parent, module_path) if named else None

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Add every model, unless the command line names some; then add the libraries' models that it names."""
        report = yield
        if isinstance(collector, pytest.Session) and report.passed and not self.absent:
            named = [path for path in self.paths if collector.isinitpath(path)]
            if self.settings.only and not named:
                report.result = []
            if not named and not self.named:
                report.result.extend(self._node(collector, path) for path in self.paths)
            prefixes = self.named or (() if named else self.prefixes)
            self.library_nodes = [self._library_node(collector, prefix) for prefix in prefixes]
            report.result.extend(self.library_nodes)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self) -> None:
        """Refuse a test of a library's model that the command line names and that does not exist."""
        for node in self.library_nodes:
            for name in node.named:
                if name not in node.existing:
                    raise pytest.UsageError(f"not found: {node.nodeid}::{name}")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test for every model and training; a shipped one also for every attack or suite and threat model.

        A test of the user's that asks for the model is run with each model and training, too.
        """
        path = model_path(metafunc.definition)
        if "_robust_variant" in metafunc.fixturenames and any(ids := self.settings.ids(path)):
            variants = self.settings.variants(path)
            metafunc.parametrize("_robust_variant", variants, indirect=True, ids=ids, scope="module")
        shipped = metafunc.definition.getparent(RobustModelFile) is not None
        if shipped and "regression_check" in metafunc.fixturenames:
            checks = self.settings.regression_checks
            metafunc.parametrize("regression_check", checks, ids=[check.slug for check in checks])
        if shipped and "certified_threat" in metafunc.fixturenames:
            threats = self.settings.threats
            metafunc.parametrize("certified_threat", threats, ids=[threat_slug(threat) for threat in threats])
        if shipped and "curve_norm" in metafunc.fixturenames:
            metafunc.parametrize("curve_norm", self.settings.curves.norms)
        kinds = {
            "attack": self.settings.attacks,
            "suite": [suite.name for suite in self.settings.suites],
            "row": self.settings.rows,
        }
        for kind, names in kinds.items():
            if shipped and kind in metafunc.fixturenames:
                pairs = [(name, threat) for threat in self.settings.threats for name in names]
                metafunc.parametrize((kind, "threat"), pairs, ids=[pair_slug(*pair) for pair in pairs])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let a report point at the user's file."""
        report = yield
        if needs_model(item):
            point_at_users_file(item, report, self.settings)
        return report

    def _node(self, parent: pytest.Collector, path: Path) -> RobustModelFile:
        node: RobustModelFile = RobustModelFile.from_parent(parent, path=path, nodeid=self._id(path).as_posix())
        node.model, node.tests = path, model_tests
        return node

    def _library_node(self, session: pytest.Session, prefix: Path) -> RobustModelFile:
        """Make the node of a model without a file: the root folder stands for it, with its conftest.py and for --lf."""
        path, named = self.rootpath, self.named.get(prefix, [])
        node: RobustModelFile = RobustModelFile.from_parent(
            session, path=path, nodeid=prefix.as_posix(), name=prefix.as_posix()
        )
        node.model, node.tests = self.prefixes[prefix], model_tests
        node.named = () if "" in named else tuple(named)
        return node
