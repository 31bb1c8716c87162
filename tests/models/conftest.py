import sys

import pytest


@pytest.fixture(autouse=True)
def nothing_stays_imported(monkeypatch):
    """Users' files go on sys.path and into sys.modules; take them out again."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("robust_user_", "sibling_of_")):
            del sys.modules[name]


@pytest.fixture
def file(tmp_path):
    """Write the content to a file whose name says nothing."""

    def write(content, name="model"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write
