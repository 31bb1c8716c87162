"""Files are written in place: never through a link that lies in the folder, and temporary files do not stay."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from robust.records.files import DAY, HOST, _swept, locked, private, refuse_links, sweep, write
from robust.records.store import add, records
from robust.report.folder import write_board
from tests.making import evidence, record

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="links need a permission on Windows")


@pytest.fixture
def elsewhere(tmp_path):
    """A folder with files that must stay as they are."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in (".gitignore", "folder", "digits-linf-0.1-fgsm.svg"):
        (folder / name).write_text("mine")
    return folder


def fill(folder):
    """Do all that writes into a leaderboard."""
    with locked(folder):
        add(folder, record(), evidence(record()))
        write_board(folder)


PLACES = [".locks", "badges", "results", "results/digits"]


@UNIX
@pytest.mark.parametrize("place", PLACES)
def test_a_link_to_a_folder_elsewhere_is_refused_and_nothing_is_written_there(tmp_path, elsewhere, place):
    folder = tmp_path / "board"
    (folder / place).parent.mkdir(parents=True)
    (folder / place).symlink_to(elsewhere)
    before = {path: path.read_text() for path in elsewhere.iterdir()}

    with pytest.raises(ValueError, match=f"{Path(place).name} is a link, and what is written there"):
        fill(folder)
    assert {path: path.read_text() for path in elsewhere.iterdir()} == before


@UNIX
def test_a_lock_that_is_a_link_empties_no_file(tmp_path, elsewhere):
    (tmp_path / "board" / ".locks").mkdir(parents=True)
    (tmp_path / "board" / ".locks" / "folder").symlink_to(elsewhere / "folder")

    with pytest.raises(ValueError, match="folder is a link"):
        fill(tmp_path / "board")
    assert (elsewhere / "folder").read_text() == "mine"


@UNIX
def test_the_folder_that_the_user_names_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "board").symlink_to(tmp_path / "real")
    fill(tmp_path / "board")

    assert len(records(tmp_path / "real")) == 1
    assert refuse_links(tmp_path / "board", tmp_path / "board" / "new" / "file")


def test_an_ignore_file_that_is_there_stays(tmp_path):
    (tmp_path / ".gitignore").write_text("mine")

    assert private(tmp_path) == tmp_path
    assert (tmp_path / ".gitignore").read_text() == "mine"


def test_temporary_files_of_processes_that_are_gone_are_removed_by_the_next(tmp_path):
    died = subprocess.Popen([sys.executable, "-c", ""])
    died.wait()
    names = {
        "gone": f".robust-{HOST}-{died.pid}-abc.tmp",
        "alive": f".robust-{HOST}-{os.getpid()}-abc.tmp",
        "elsewhere": f".robust-other-{died.pid}-abc.tmp",
        "old": f".robust-other-{died.pid}-old.tmp",
    }
    (tmp_path / "results").mkdir()
    for name in names.values():
        (tmp_path / "results" / name).touch()
    (tmp_path / "results" / "net.json").touch()
    os.utime(tmp_path / "results" / names["old"], (time.time() - 2 * DAY,) * 2)

    sweep(tmp_path, "**/")
    assert {path.name for path in (tmp_path / "results").iterdir()} == {names["alive"], names["elsewhere"], "net.json"}


def test_what_is_written_leaves_no_temporary_file_and_removes_a_dead_one(tmp_path):
    died = subprocess.Popen([sys.executable, "-c", ""])
    died.wait()
    (tmp_path / f".robust-{HOST}-{died.pid}-abc.tmp").touch()
    _swept.discard(tmp_path)
    write(tmp_path / ("n" * 250), b"a long name")

    assert [path.name for path in tmp_path.iterdir()] == ["n" * 250]
