"""Imports go one way: a module imports only from rooms above its own in this list, or from its own."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the foundation upwards. attacks/ is robust.attacks, and knows nothing of the rest.
LAYERS = [
    ["robust.attacks.registry"],
    ["robust.attacks.spec"],
    ["robust.attacks.rng"],
    ["robust.attacks.registry", "robust.torchvision_compat", "robust.attacks.task", "robust.attacks.zoo.pgd"],
    ["robust.attacks.geometry", "robust.attacks.suite", "robust.attacks.suites"],
    ["robust.attacks.threat", "robust.attacks.losses", "robust.attacks.fast_copy"],
    ["robust.attacks.task"],
    ["robust.attacks.engine", "robust.attacks.zoo._boundary", "robust.attacks.task"],
    [
        "robust.attacks.combine",
        "robust.attacks.zoo",
        "robust.attacks.external",
        "robust.attacks.min_norm",
        "robust.attacks.factory",
    ],
    ["robust.attacks.factory"],
    ["robust.attacks.testing"],
    ["robust.attacks"],
    ["robust"],
    ["robust.user_code", "robust.stats", "robust.sampling"],
    ["robust.data", "robust.models"],
    ["robust.evaluation.batching", "robust.device", "robust.data.spool"],
    ["robust.distributed.ranks"],
    ["robust.distributed.shutdown"],
    ["robust.verification.distances", "robust.records.trust"],
    ["robust.verification.check"],
    ["robust.verification.rounding", "robust.verification.fresh_process"],
    ["robust.records.attack_outcome"],
    ["robust.records.record", "robust.records.gallery", "robust.evaluation.attack_run"],
    ["robust.evaluation.measure", "robust.records.store"],
    ["robust.evaluation.suite_run", "robust.evaluation.illustrate"],
    ["robust.trust"],
    ["robust.report"],
    ["robust.baseline"],
    ["robust.train"],
    ["robust.options", "robust.hookspec"],
    ["robust.session"],
    ["robust.commands.list"],
    ["robust.plugin", "robust.cli", "robust.action"],
    ["robust.__main__"],
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}

MODULES = {
    ".".join((prefix, *path.relative_to(ROOT / folder).with_suffix("").parts)).removesuffix(".__init__"): path
    for prefix, folder in (("robust", "robust"), ("robust.attacks", "attacks"))
    for path in (ROOT / folder).rglob("*.py")
    if "attacks" not in path.relative_to(ROOT / folder).parts
}


def room(module):
    """The longest name in LAYERS that `module` is, or is in."""
    while module not in RANK:
        module = module.rpartition(".")[0]
    return module


def imported(tree):
    """The modules of this project that are imported anywhere in the file, also late or for types."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "robust")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "robust":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_one_way(module):
    mine = room(module)
    for other in imported(ast.parse(MODULES[module].read_text())):
        theirs = room(other)
        assert theirs == mine or RANK[theirs] < RANK[mine], f"{module} imports {other}"


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


def test_every_layer_exists():
    assert set(RANK) <= set(MODULES)
