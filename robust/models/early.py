"""Checks of a model before the data are read: of its weights by their file, of its factory by its source.

A file of the user's is run only if it is bound to fail: one that draws, or seeds, random numbers as it is imported
would make another model if it were imported earlier.
"""

import ast
from pathlib import Path

from robust.models.checkpoint import refuse_bare_weights
from robust.models.factories import find_user_factory
from robust.models.format import Terms, recognise
from robust.models.libraries import find_library_factory
from robust.models.permissions import Permissions
from robust.models.spec import ModelSpec


def check_early(
    spec: ModelSpec, arch: str | None, folder: Path, permissions: Permissions, *, as_is: bool, trained: bool
) -> None:
    """Raise ValueError or LookupError, as loading or training does, for what is wrong whatever the data are.

    `as_is` says whether the model is tested with its own weights, `trained` whether it is with others.
    """
    for member in spec.members or (spec,):
        try:
            _check_one(member, arch, folder, permissions, as_is)
        except (ValueError, LookupError) as error:
            if not spec.members:
                raise
            raise ValueError(f"{member.text}: {error.args[0]}") from error
    if trained:
        spec.refuse_untrainable(arch)


def _check_one(spec: ModelSpec, arch: str | None, folder: Path, permissions: Permissions, as_is: bool) -> None:
    if spec.factory is not None:
        _check_factory(spec)
        return
    if as_is:
        _check_weights(spec.path, arch, permissions)
    if arch is not None:
        try:
            _check_factory(ModelSpec.parse(arch, folder))
        except (ValueError, LookupError) as error:
            raise ValueError(f"--robust-arch={arch}: {error.args[0]}") from error


def _check_weights(path: Path, arch: str | None, permissions: Permissions) -> None:
    """Check that a file of weights is sound. Names that the user permits may run code: then its content waits."""
    form, source = recognise(path, permissions)
    if not form.alone or permissions.safe_globals or permissions.allows_code(path):
        return
    content = form.read_file(source, Terms(permissions=permissions)).content
    if arch is None and isinstance(content, dict):
        refuse_bare_weights(content)


def _check_factory(spec: ModelSpec) -> None:
    if spec.factory is None:
        return
    if spec.library in ("torchvision", "timm"):
        find_library_factory(spec.library, spec.factory, (), 0)
    elif spec.library is None and spec.path.suffix == ".py":
        _check_source(spec, spec.factory)


def _check_source(spec: ModelSpec, factory: str) -> None:
    """Run a file of Python whose source defines no such factory, or is no Python: it then fails, and says why."""
    try:
        bound = _list_bound(ast.parse(spec.path.read_bytes()))
    except (SyntaxError, ValueError):
        bound = set()
    if bound.isdisjoint({factory, "*"}):
        find_user_factory(spec)


def _list_bound(tree: ast.Module) -> set[str]:
    """List the names that a source may bind, and "*" if it imports what it does not name.

    Those that functions bind for themselves are among them: a name too many means that the file is run later.
    """
    bound = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    return bound
