"""Imports go down: a module imports from its own folder, without circles, or from floors below its own."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The floors, from the ground up; what stands on one floor imports nothing of its neighbours there.
# A room is a folder or a file; attacks/ is installed as robust.attacks, and knows nothing of the rest.
FLOORS = [
    ["robust.__init__"],
    ["robust.flags"],
    ["robust.sampling", "robust.stats", "robust.device", "robust.torchvision_compat"],
    ["robust.attacks"],
    ["robust.user_code", "robust.options"],
    ["robust.records", "robust.gates"],
    ["robust.data", "robust.models"],
    ["robust.report", "robust.hookspec"],
    ["robust.distributed"],
    ["robust.verification"],
    ["robust.evaluation", "robust.certification"],
    ["robust.trust", "robust.train", "robust.baseline"],
    ["robust.progress"],
    ["robust.settings", "robust.tuning"],
    ["robust.session"],
    ["robust.commands"],
    ["robust.cli_arguments"],
    ["robust.plugin", "robust.cli", "robust.action"],
    ["robust.__main__"],
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

MODULES = {
    ".".join((prefix, *path.relative_to(ROOT / folder).with_suffix("").parts)): path
    for prefix, folder in (("robust", "robust"), ("robust.attacks", "attacks"))
    for path in (ROOT / folder).rglob("*.py")
    if "attacks" not in path.relative_to(ROOT / folder).parts
}


def room(module):
    """The folder, or the file at the top of robust/, that holds the module."""
    return ".".join(module.split(".")[:2])


def named(dotted):
    """The module of this name, as a key of MODULES; None where it is none."""
    return next((name for name in (dotted, f"{dotted}.__init__") if name in MODULES), None)


@cache
def imported(module):
    """The modules of this project that are imported anywhere in the file, also late or for types."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {named(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {named(f"{node.module}.{alias.name}") or named(node.module) for alias in node.names}
    return found - {None, module}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down(module):
    for other in imported(module):
        assert room(other) == room(module) or FLOOR[room(other)] < FLOOR[room(module)], f"{module} imports {other}"


@pytest.mark.parametrize("folder", sorted(room for room in FLOOR if f"{room}.__init__" in MODULES))
def test_no_folder_has_a_circle(folder):
    inside = {
        module: {other for other in imported(module) if room(other) == folder}
        for module in MODULES
        if room(module) == folder
    }
    try:
        TopologicalSorter(inside).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_only_the_door_imports_torchvision_and_only_external_imports_other_attack_libraries():
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] != "torchvision", module
                if name.split(".")[0] in {"torchattacks", "foolbox", "art", "autoattack"}:
                    assert module.startswith("robust.attacks.external."), module


def test_backward_is_called_in_the_training_loop_only():
    calling = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "backward"
    }

    assert calling == {"robust.train.loop"}


def test_every_room_stands_on_a_floor_and_every_floor_exists():
    assert set(FLOOR) == {room(module) for module in MODULES}
