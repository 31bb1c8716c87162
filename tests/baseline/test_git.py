"""The answers of git, which may be missing."""

import subprocess

import pytest

from robust.baseline import git
from robust.baseline.git import Commit, precedes, read_commit


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A function that commits, and returns the hash."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)

    def call(*words):
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        done = subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(**files):
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        call("add", "--all")
        call("commit", "--quiet", "--allow-empty", "--message=x")
        return call("rev-parse", "HEAD")

    call("init", "--quiet")
    commit.call = call
    return commit


def test_the_commit_and_whether_files_were_changed_since(repository, tmp_path):
    head = repository(net="1")

    assert read_commit(tmp_path) == Commit(head, dirty=False)
    (tmp_path / "new").write_text("git does not know it")
    assert read_commit(tmp_path) == Commit(head, dirty=False)
    (tmp_path / "net").write_text("2")
    assert read_commit(tmp_path) == Commit(head, dirty=True)


def test_what_the_run_writes_is_no_change(repository, tmp_path):
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "row").write_text("1")
    repository(net="1")
    (tmp_path / "board" / "row").write_text("2")

    assert read_commit(tmp_path).dirty
    assert not read_commit(tmp_path, tmp_path / "board").dirty
    assert read_commit(tmp_path, tmp_path.parent / "board").dirty


def test_a_change_outside_the_folder_counts(repository, tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "net").write_text("1")
    repository(top="1")
    (tmp_path / "top").write_text("2")

    assert read_commit(tmp_path / "part").dirty


def test_which_commits_came_before(repository, tmp_path):
    first, second = repository(net="1"), repository(net="2")
    repository.call("checkout", "--quiet", first)

    assert precedes(first, tmp_path) is True
    assert precedes(second, tmp_path) is False
    assert precedes("ab" * 20, tmp_path) is None


def test_no_repository_and_no_git_are_fine(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert read_commit(tmp_path) is None
    assert precedes("ab" * 20, tmp_path) is None

    def missing(*args, **options):
        raise FileNotFoundError("git")

    monkeypatch.setattr(git.subprocess, "run", missing)
    assert read_commit(tmp_path) is None
    assert precedes("ab" * 20, tmp_path) is None


def test_a_repository_without_a_commit_is_none(repository, tmp_path):
    assert read_commit(tmp_path) is None
