"""Private files of a run and of a training do not show in `git status`; and locks are still locks."""

import subprocess

import pytest
from filelock import FileLock, Timeout

from robust.cli import main
from robust.records.files import locked

MODEL = "--robust-model=net.py:make"


@pytest.fixture
def status(folder):
    """Return the files that git does not know, in a repository of the user's folder as it is."""

    def git(*words):
        return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout

    def status():
        return {line.removeprefix("?? ") for line in git("status", "--porcelain", "--untracked-files=all").splitlines()}

    git("init", "-q")
    (folder / ".git" / "info" / "exclude").write_text("__pycache__/\n/net.py\n/weights.*\n/.pytest_cache\n")
    return status


def test_a_leaderboard_shows_its_rows_alone(run, folder, status):
    run(MODEL)

    found = status()
    assert "leaderboard/results.csv" in found
    assert not [path for path in found if "/." in path or path.startswith(".")]
    assert (folder / "leaderboard" / ".locks").is_dir()


def test_a_training_shows_its_weights_and_what_tells_of_them(folder, status, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(["train", "net.py:bare", "--recipe=standard:epochs=1", "--out=trained"]) == 0

    suffixes = sorted(path.partition(".")[2] for path in status())
    assert suffixes == ["csv", "gradients.csv", "json", "safetensors", "svg"]


def test_the_lock_of_a_folder_keeps_others_out(tmp_path):
    with locked(tmp_path), pytest.raises(Timeout):
        FileLock(tmp_path / ".locks" / "folder").acquire(timeout=0)
