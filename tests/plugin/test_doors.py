"""Model files in whole runs: what is told of them, and that nothing runs which was not allowed."""

import argparse
import hashlib
import sys
import warnings

import pytest
import torch
from torch import nn

ALL_PASSED = {"passed": 3}


@pytest.fixture
def script(folder, weights):
    """The model as a TorchScript program, for one input at a time."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    net.load_state_dict(weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(net), folder / "net.bin")
    return folder / "net.bin"


@pytest.mark.parametrize("by", ["path", "link", "digest"])
def test_a_program_runs_where_the_user_names_it(run, script, folder, by):
    (folder / "link").symlink_to(script)
    named = {"path": "net.bin", "link": "link", "digest": f"sha256:{hashlib.sha256(script.read_bytes()).hexdigest()}"}

    run("--robust-model=net.bin", f"--robust-run-code={named[by]}").assert_outcomes(**ALL_PASSED)


@pytest.mark.parametrize("other", ["net.py", "sha256:" + "0" * 64])
def test_another_file_that_is_named_opens_no_door(run, script, other):
    result = run("--robust-model=net.bin", f"--robust-run-code={other}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --robust-model=net.bin: is a TorchScript program, *--robust-run-code=net.bin"])


@pytest.mark.parametrize("extra", [[], ["-q"]])
def test_what_was_taken_off_is_told_at_the_end(run, folder, weights, extra):
    torch.save({"model": {f"module.{name}": tensor for name, tensor in weights.items()}}, folder / "ck.pt")
    result = run("--robust-model=ck.pt", "--robust-arch=net.py:bare", *extra)

    assert result.ret == 0
    result.stdout.fnmatch_lines(["loaded ck.pt: taken from 'model'; 'module.' taken off the names"])


def test_weights_that_needed_nothing_are_not_told_of(run):
    run("--robust-model=weights.pt", "--robust-arch=net.py:bare").stdout.no_fnmatch_line("loaded *")


def test_a_name_that_a_pickle_may_use_is_the_narrow_way(run, folder, weights):
    torch.save({"args": argparse.Namespace(lr=0.1), "state_dict": weights}, folder / "ck.pt")
    args = ("--robust-model=ck.pt", "--robust-arch=net.py:bare")

    assert run(*args).ret == pytest.ExitCode.USAGE_ERROR
    run(*args, "--robust-safe-globals=argparse.Namespace").assert_outcomes(**ALL_PASSED)


def test_a_name_beside_the_ini_file_is_found(run, pytester, folder, weights, monkeypatch):
    (folder / "sub").mkdir()
    (folder / "own_settings.py").write_text("class Settings:\n    pass")
    monkeypatch.syspath_prepend(folder)
    import own_settings

    torch.save({"args": own_settings.Settings(), "state_dict": weights}, folder / "ck.pt")
    monkeypatch.undo()
    monkeypatch.delitem(sys.modules, "own_settings")
    pytester.makeini("[pytest]\nrobust_safe_globals = own_settings.Settings")
    monkeypatch.chdir(folder / "sub")

    run("--robust-model=../ck.pt", "--robust-arch=../net.py:bare").assert_outcomes(**ALL_PASSED)


def test_a_hostile_file_name_reaches_no_terminal_and_no_cell(run, folder, weights):
    name = "=1+1<b>[x](y)\x1b[2J.pt"
    torch.save(weights, folder / name)
    result = run(f"--robust-model={name}", "--robust-arch=net.py:bare", "--robust-fail-under=99", "-v")

    result.assert_outcomes(passed=1, failed=2)
    assert "\x1b[2J" not in result.stdout.str() + result.stderr.str()
    board = (folder / "leaderboard" / "results.csv").read_text()
    assert ",1+1_b_x_y_2j,as-is," in board
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in board.splitlines() for cell in line.split(","))
