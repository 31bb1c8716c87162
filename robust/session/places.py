"""Places: where a report says that a test failed. Shipped tests, and what they call, lie in site-packages.

Whoever annotates code takes the place from the report: pytest's --tb=line, JUnit files, GitHub's annotations.
"""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robust.session.model_file import RobustModelFile
from robust.settings.settings import Settings
from robust.user_code import NOT_USER_CODE


def needs_model(item: pytest.Item) -> bool:
    """Whether a test needs the model: a shipped test, or one of the user's that asks for our fixtures."""
    return "_robust_run" in getattr(item, "fixturenames", ())


def point_at_users_file(item: pytest.Item, report: Any, settings: Settings) -> None:
    """Let the report of a test that needs the model point at the user's file, not into this package or a library."""
    shipped = item.getparent(RobustModelFile)
    file, line, title = report.location
    if shipped is not None:
        file, line = item.nodeid.partition("::")[0], _find_factory(item, shipped.model, settings)
        report.location = (file, line, title)
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None and str(crash.path).startswith(NOT_USER_CODE):
        path = item.config.rootpath / file
        report.longrepr.reprcrash = replace(
            crash, path=str(path) if path.exists() else file, lineno=1 if line is None else line + 1
        )


def _find_factory(item: pytest.Item, model: Path, settings: Settings) -> int | None:
    """Return the line, from 0, that defines the factory of the test's model; None if its file is no Python code."""
    variant = getattr(item, "callspec", None) and item.callspec.params.get("_robust_variant")  # type: ignore[attr-defined]
    spec = variant.spec if variant else next((spec for spec in settings.models if spec.path == model), None)
    if spec is None or spec.factory is None or model.suffix != ".py":
        return None
    try:
        body = ast.parse(model.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return None
    lines = [node.lineno - 1 for node in body if getattr(node, "name", "") == spec.factory]
    return lines[0] if lines else None
