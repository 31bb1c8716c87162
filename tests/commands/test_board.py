"""`robust board`: the files of a leaderboard are written again, and several are merged."""

import hashlib
import subprocess
import sys

import pandas as pd
import pytest
from filelock import FileLock, Timeout

from robust.records.store import records
from tests.making import file, record
from tests.making import robust as robust_net

FILES = ("index.html", "README.md", "leaderboard.csv", "groups.csv", "results.csv")


@pytest.fixture
def folder(tmp_path):
    file(tmp_path / "board", record(name="a"), record(name="b"), record(name="c", threat="linf:0.3"))
    return tmp_path / "board"


def test_board_makes_the_files_anew_and_names_them(call, folder):
    paths = [folder / name for name in FILES]
    made = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()

    assert call("board", folder) == (0, "".join(f"{path}\n" for path in paths), "")
    assert [path.read_bytes() for path in paths] == made


def test_board_has_all_records_of_the_folder(call, folder):
    call("board", folder)

    table = pd.read_csv(folder / "results.csv")
    assert [*zip(table.threat, table.model, table.attack, strict=True)] == [
        (threat, name, attack)
        for threat, name in (("linf:0.15", "a"), ("linf:0.15", "b"), ("linf:0.3", "c"))
        for attack in ("all", "pgd")
    ]
    assert (folder / "README.md").read_text().count("\n## ") == 2


def test_board_is_made_under_the_lock_of_the_folder(call, folder, monkeypatch):
    def make(folder):
        with pytest.raises(Timeout):
            FileLock(folder / ".locks" / "folder").acquire(timeout=0)
        return []

    monkeypatch.setattr("robust.commands.board.write_board", make)

    assert call("board", folder) == (0, "", "")


def test_board_follows_what_is_in_the_folder(call, folder):
    for path in (folder / "results").rglob("a-*"):
        path.unlink()
    call("board", folder)

    assert "\n| 1 | b |" in (folder / "README.md").read_text()
    assert "| a |" not in (folder / "README.md").read_text()


def test_board_of_a_folder_whose_records_are_gone_can_be_made_again(call, folder):
    for path in (folder / "results").rglob("*.json"):
        path.unlink()

    assert call("board", folder)[0] == 0
    assert call("board", folder)[0] == 0


def test_board_takes_the_folder_called_leaderboard(call, folder, monkeypatch):
    folder.rename(folder.with_name("leaderboard"))
    monkeypatch.chdir(folder.parent)

    assert call("board") == (0, "".join(f"leaderboard/{name}\n" for name in FILES), "")


@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_board_without_records_is_one_line_and_status_4(call, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    path = tmp_path / name

    assert call("board", path) == (4, "", f"robust board: {path} holds no records (no folder {path / 'results'})\n")


def test_a_missing_folder_is_not_made(call, tmp_path):
    call("board", tmp_path / "missing")

    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("name", FILES)
def test_board_spares_a_file_of_somebody_else(call, folder, name):
    (folder / name).write_text("# mine\n")
    status, out, err = call("board", folder)

    assert (status, out, err.count("\n")) == (4, "", 1)
    assert (folder / name).read_text() == "# mine\n"


def test_board_names_a_damaged_record_in_one_line(call, folder):
    (folder / "results" / "damaged.json").write_text("{")
    status, out, err = call("board", folder)

    assert (status, out, err.count("\n")) == (4, "", 1)
    assert str(folder / "results" / "damaged.json") in err


def test_boards_are_made_without_torch(folder):
    code = (
        "import sys, robust.records.record, robust.stats, robust.records.store\n"
        "import robust.report.csv, robust.report.folder, robust.report.markdown, robust.report.terminal\n"
        "from robust.cli import main\n"
        f"status = main(['list']) or main(['board', {str(folder)!r}])\n"
        "sys.exit(status or ', '.join(sorted({'torch', 'torchvision'} & {*sys.modules})) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_board_merges_folders_as_a_run_would(call, folder, tmp_path):
    """A record in both is kept once; of two for one place the older goes to history/; evidence is copied too."""
    file(tmp_path / "other", record(name="a"), record(name="d"), robust_net(60, 100, "b"))
    into = tmp_path / "all"
    status, out, _ = call("board", folder, tmp_path / "other", "--into", into)

    assert status == 0
    assert out.splitlines()[0] == f"{into}: 4 new; 1 measured the same as before; 1 replaced, the older in history/"
    assert {made.model.name: made.data.n for made in records(into)} == {"a": 8, "b": 100, "c": 8, "d": 8}
    for made in records(into):
        content = (into / "results" / f"{made.stem}.npz").read_bytes()
        assert hashlib.sha256(content).hexdigest() == made.evidence


def _link(path, elsewhere):
    elsewhere.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(elsewhere)


def _damage(path, elsewhere):
    path.write_bytes(path.read_bytes()[:-9])


def _swap(path, elsewhere):
    other = next(found for found in path.parents[3].rglob("*.npz") if found != path)
    path.write_bytes(other.read_bytes())


@pytest.mark.parametrize(
    ("change", "message"), [(_link, "is a link"), (_damage, "is not the evidence"), (_swap, "is not the evidence")]
)
def test_a_strangers_evidence_is_checked_before_anything_is_filed(call, folder, tmp_path, change, message):
    """A link would copy a file of mine into my leaderboard."""
    other, into = tmp_path / "other", tmp_path / "all"
    file(other, record(name="d"), record(name="e", adversarial={"fgsm": "10000000"}))
    path = next((other / "results").rglob("*.npz"))
    change(path, tmp_path / "private")

    status, _, line = call("board", other, "--into", into)

    assert status == 4
    assert message in line
    assert not (into / "results").exists()


def test_board_never_ranks_together_what_cannot_be_compared(call, folder, tmp_path):
    file(tmp_path / "other", record(name="z", data="mnist"), record(name="z", adversarial={"fgsm": "0" * 8}))
    call("board", folder, tmp_path / "other", "--into", tmp_path / "all")

    table = pd.read_csv(tmp_path / "all" / "leaderboard.csv")
    groups = table.groupby(["data", "threat", "suite"])
    assert sorted(len(group) for _, group in groups) == [1, 1, 1, 2]
    assert all(group["rank"].min() == 1 for _, group in groups)
    assert (tmp_path / "all" / "index.html").read_text().count("<section class=board") == 4


def test_board_merged_into_one_of_them_keeps_it(call, folder, tmp_path):
    file(tmp_path / "other", record(name="d"))

    assert call("board", folder, tmp_path / "other", "--into", folder)[1].startswith(f"{folder}: 1 new\n")
    assert [made.model.name for made in records(folder)] == ["a", "b", "d", "c"]


def test_board_of_several_folders_asks_where_to(call, folder):
    assert call("board", folder, folder) == (
        4,
        "",
        "robust board: 2 folders; name the one that they are merged into: --into=DIR\n",
    )
