"""`robust train`, as a person at a terminal uses it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pexpect
import pytest
import torch
from safetensors.torch import load_file

from robust.cli import main
from robust.commands import train
from robust.data.dataset import DATA, NotHereError
from tests.forks import environment

ROOT = Path(__file__).parent.parent.parent

NET = """
from torch import nn

def make(width=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

def narrow():
    return nn.Sequential(nn.Flatten(), nn.Linear(10, 10))
"""


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """A function: the exit status, output and errors of `robust train` with these arguments, in a user's folder."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "bare.py").write_text(
        "def load():\n    import numpy as np\n    return np.zeros((4, 64)), [0, 1, 0, 1]\n"
    )
    (tmp_path / "weights.safetensors").write_bytes(b"")
    (tmp_path / "mine.html").write_text("<!doctype html><title>My page</title>")
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        return main(["train", *argv]), *capsys.readouterr()

    return run


def test_it_trains_and_tells_where_everything_is(call, tmp_path):
    status, out, err = call("net.py:make", "--recipe=pgd-at+ema:epochs=2:steps=2", "--threat=linf:0.1")
    (weights,) = (tmp_path / ".robust" / "models").glob("*.safetensors")
    card = json.loads(weights.with_suffix(".json").read_text())

    assert status == 0
    assert [line.split(":")[0] for line in err.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert out.startswith("pgd-at+ema:epochs=2:steps=2 in ")
    assert f"  weights: {weights.relative_to(tmp_path)}\n" in out
    assert all(weights.with_suffix(suffix).is_file() for suffix in (".svg", ".csv", ".gradients.csv"))
    assert (card["threat"], card["seed"], card["data"]["name"]) == ("linf:0.1", 0, "digits")
    assert (tmp_path / ".robust" / ".gitignore").is_file()


def test_a_file_of_ones_own_name_has_the_weights_and_their_card(call, tmp_path):
    given = ["net.py:make", "--recipe=standard:epochs=1", "--out=kept/net.safetensors"]
    _, out, _ = call(*given)
    (weights,) = (tmp_path / ".robust" / "models").glob("*.safetensors")
    kept = tmp_path / "kept" / "net.safetensors"

    assert f"  weights: kept/net.safetensors\n  curves:  {weights.with_suffix('.svg').relative_to(tmp_path)}, " in out
    assert "--robust-model=kept/net.safetensors" in out
    assert {file.name for file in kept.parent.iterdir()} == {"net.safetensors", "net.json"}
    assert kept.read_bytes() == weights.read_bytes()
    assert kept.with_suffix(".json").read_bytes() == weights.with_suffix(".json").read_bytes()

    kept.write_bytes(b"of an earlier training")
    status, _, err = call(*given)
    assert (status, err) == (0, "")  # it is not trained again
    assert kept.read_bytes() == weights.read_bytes()


def test_the_line_that_it_ends_with_tests_what_was_trained(call, tmp_path):
    (tmp_path / "data.py").write_text("from robust.data.dataset import DATA\n\nload = DATA.get('digits').read\n")
    given = ["--recipe=standard:epochs=1", "--data=data.py:load", "--threat=linf:0.1", "--out=models"]
    _, out, _ = call("net.py:make(width=4)", *given)
    (line,) = [line for line in out.splitlines() if line.startswith("  test it: ")]
    done = subprocess.run(
        f"{sys.executable} -m {line.removeprefix('  test it: ')} --robust-samples=20 --robust-only -q"
        " --robust-verdict=none",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_a_normalisation_is_trained_with_and_named_in_that_line(call, tmp_path):
    words = ("net.py:make", "--recipe=standard:epochs=1")
    _, out, _ = call(*words, "--normalize=.30/.40")
    call(*words)

    assert "--robust-normalize=0.3/0.4 " in out
    assert len([*(tmp_path / ".robust" / "models").glob("*.safetensors")]) == 2


def test_pytest_finds_what_was_trained(call, tmp_path):
    call("net.py:make", "--recipe=standard:epochs=1", "--seed=3")
    before = [*(tmp_path / ".robust" / "models").glob("*.safetensors")]
    given = ["--robust-model=net.py:make", "--robust-train=standard:epochs=1", "--robust-seed=3", "--robust-samples=20"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "/dev/null", f"--rootdir={tmp_path}", "--robust-only", *given],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [*(tmp_path / ".robust" / "models").glob("*.safetensors")] == before


def test_a_report_goes_beside_the_weights_and_changes_nothing_of_them(call, tmp_path):
    given = ["net.py:make", "--recipe=pgd-at:epochs=2:steps=2", "--threat=linf:0.1"]
    assert call(*given, "--out=plain")[0] == 0
    status, out, err = call("--report", *given, "--out=seen")  # not a file of the name net.py:make
    (plain,), (seen,) = ([*(tmp_path / folder).glob("*.safetensors")] for folder in ("plain", "seen"))
    card = json.loads(seen.with_suffix(".json").read_text())
    n = card["selected_by"]["n"]

    assert status == 0
    assert f"  report:  seen/{seen.stem}.html\n" in out
    assert err.endswith(f"report: one pass over {n} validation samples, and one attack of 10 steps\n")
    assert card["report"] == f"{seen.stem}.html"
    assert plain.read_bytes() == seen.read_bytes()
    assert plain.with_suffix(".gradients.csv").read_bytes() == seen.with_suffix(".gradients.csv").read_bytes()
    assert not [*(tmp_path / "plain").glob("*.html")]


def test_a_report_on_a_training_of_the_cache_is_made_without_it(call, tmp_path):
    given = ["net.py:make", "--recipe=standard:epochs=1", "--out=kept/net.safetensors"]
    call(*given)
    status, out, err = call(*given, "--report")
    page = (tmp_path / "kept" / "net.html").read_text()
    cards = [*(tmp_path / ".robust" / "models").glob("*.json"), tmp_path / "kept" / "net.json"]

    assert (status, err.count("\n")) == (0, 1)  # on what the report costs; nothing is trained
    assert "  report:  kept/net.html\n" in out
    assert "Not measured, since this recipe does not select by it: one step, PGD-10, certified by intervals." in page
    assert [json.loads(card.read_text())["report"] for card in cards] == ["../../kept/net.html", "net.html"]

    (tmp_path / "kept" / "net.html").write_text("<!doctype html><title>My page</title>")
    told = (
        "robust train: --report=kept/net.html: is there, and no report on a training; name another file, or remove it\n"
    )
    assert call(*given, "--report") == (4, "", told)


def test_several_recipes_are_trained_each_once(call):
    status, out, _ = call("net.py:make", "--recipe=standard:epochs=1,fgsm-rs:epochs=1", "--recipe=standard:epochs=1")

    assert status == 0
    assert [line.split(" in ")[0] for line in out.splitlines() if line[0] != " "] == [
        "standard:epochs=1",
        "fgsm-rs:epochs=1",
    ]


def drop_seconds(lines):
    """The lines of epochs without their ends, which tell how long each took."""
    return [line.rpartition(", ")[0] for line in lines]


def test_what_is_interrupted_goes_on_with_the_same_command(call, tmp_path, monkeypatch):
    given = ["net.py:make", "--recipe=standard:epochs=3", "--out=models"]
    _, _, whole = call(*given[:2], "--out=whole")

    def interrupt(epoch, plan):
        raise KeyboardInterrupt

    with monkeypatch.context() as pressing:
        pressing.setattr(train, "_describe_epoch", interrupt)
        assert call(*given) == (
            130,
            "",
            "robust train: interrupted; it is kept, and the same command goes on from the last epoch\n",
        )
    status, _, err = call(*given)
    a, b = (load_file(next((tmp_path / folder).glob("*.safetensors"))) for folder in ("models", "whole"))

    assert status == 0
    goes_on, *epochs = err.splitlines()
    assert goes_on.endswith(": goes on from an earlier training, at epoch 2 of 3")
    assert drop_seconds(epochs) == drop_seconds(whole.splitlines()[1:])
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_training_that_diverges_is_no_mistake_of_usage(call):
    status, out, err = call("net.py:make", "--recipe=standard:epochs=8:lr=1e30")

    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith("robust train: training diverged: the loss became ")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["nix.py:make"], "nix.py:make: no such file"),
        (["net.py:mak"], "net.py:mak: net.py has no 'mak', did you mean 'make'"),
        (["net.py:narrow"], "net.py:narrow: the model does not take digits"),
        (["weights.safetensors"], "weights.safetensors: is no Python file"),
        (["net.py:make", "--recipe=pgdat"], "--recipe=pgdat: unknown training recipe 'pgdat', did you mean 'pgd-at'"),
        (["net.py:make", "--recipe=trades:bta=3"], "trades has no option 'bta', did you mean 'beta'"),
        (["net.py:make", "--recipe=trades+apw"], "unknown training wrapper 'apw', did you mean 'awp'"),
        (["net.py:make", "--recipe=standard:freeze=conv"], "freeze: no parameter begins with 'conv'"),
        (["net.py:make", "--recipe=standard:dropout=0.5"], "dropout: the module has no dropout layer"),
        (["net.py:make", "--data=digts"], "--data=digts: unknown data set 'digts', did you mean 'digits'"),
        (["net.py:make", "--data=bare.py:load"], "bare.py:load takes no argument, so it gives no training split"),
        (["net.py:make", "--threat=linf:8"], "--threat=linf:8: linf:8 is wider than the inputs' range"),
        (["net.py:make", "--threat=linf:0.1+l2:1"], "training is under one threat model, and this is a union"),
        (["net.py:make", "--normalize=imagenet"], "--normalize is for 3 channels, and they have 1"),
        (
            ["net.py:make", "--normalize=cifar"],
            "--normalize=cifar: unknown normalisation 'cifar', did you mean 'cifar10'",
        ),
        (["ensemble:net.py:make,net.py:narrow"], "has no architecture that could be trained"),
        (["blackbox:net.py:make"], "robust train: blackbox:net.py:make: has no architecture that could be trained"),
        (["net.py:make", "--out=net.py"], "--out=net.py: is a file; name a folder, or FILE.safetensors"),
        (["net.py:make", "--recipe=trades:beta=-1"], "--recipe=trades:beta=-1: beta must be 0 or above, got -1"),
        (
            ["net.py:make", "--recipe=trades,mart", "--out=net.safetensors"],
            "--out=net.safetensors: 2 recipes make as many files; name a folder",
        ),
        (
            ["net.py:make", "--out=net.pt"],
            "--out=net.pt: weights are kept as safetensors; write --out=net.safetensors",
        ),
        (["net.py:make", "--report=seen.htm"], "--report=seen.htm: a report is a page; name it seen.html, or leave"),
        (["net.py:make", "--report=nix/seen.html"], "--report=nix/seen.html: there is no folder nix; make it, or name"),
        (
            ["net.py:make", "--report=mine.html"],
            "--report=mine.html: is there, and no report on a training; name another",
        ),
        (
            ["net.py:make", "--recipe=trades,mart", "--report=seen.html"],
            "--report=seen.html: 2 recipes make as many reports; leave the name out",
        ),
        (["net.py:make", "--device=tpu"], "--device=tpu: expected auto, cpu, cuda, cuda:1 or mps"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_and_status_4(argv, told, call, tmp_path):
    status, out, err = call(*argv)

    assert (status, out, err.count("\n")) == (4, "", 1)
    assert err.startswith("robust train: ")
    assert told in err
    assert not (tmp_path / ".robust").exists()


@pytest.mark.parametrize("argv", [[], ["net.py:make", "--seed=-1"], ["net.py:make", "--colour"]], ids=str)
def test_arguments_that_make_no_sense_are_status_4(argv, call):
    status, out, err = call(*argv)

    assert (status, out) == (4, "")
    assert err.startswith("robust train: ")
    assert err.count("\n") == 1


def test_data_that_is_missing_is_told_with_this_commands_own_option(call, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    status, _, err = call("net.py:make", "--data=mnist")

    assert status == 4
    assert "Allow the download with --download" in err


def test_data_is_downloaded_if_that_is_allowed(call, monkeypatch):
    digits, fetched = DATA.get("digits"), []

    def read(split):
        if not fetched:
            raise NotHereError("it is not on this machine")
        return digits.read(split)

    far = replace(digits, name="far", read=read, fetch=lambda: fetched.append("all of it"))
    monkeypatch.setattr("robust.settings.values.open_data", lambda text, folder: far)
    given = ["net.py:make", "--data=far", "--recipe=standard:epochs=1"]

    assert call(*given) == (4, "", "robust train: --data=far: it is not on this machine\n")
    assert not fetched
    assert call(*given, "--download")[0] == 0
    assert fetched == ["all of it"]


def test_a_terminal_sees_a_bar(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    words = ["-c", "import sys; from robust.cli import main; sys.exit(main())"]
    child = pexpect.spawn(
        sys.executable,
        [*words, "train", "net.py:make", "--recipe=pgd-at:epochs=3"],
        cwd=str(tmp_path),
        timeout=120,
        encoding="utf-8",
        dimensions=(24, 80),
        env=environment(),  # not that of a worker, which has no bar
    )
    child.expect("training pgd-at:epochs=3")
    child.expect(r"\d:\d\d:\d\d.*epoch ./3; clean .*, PGD-10 .*%")
    child.expect("weights: ")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 0
