"""`robust compress`, as a person at a terminal uses it."""

import re

import pytest
import torch

from robust.models.compressed import CARD, read_card

NET = """
from torch import nn

def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))

class Raises(nn.Linear):
    def __init__(self): super().__init__(64, 10)
    def forward(self, x): raise RuntimeError("boom")
"""


@pytest.fixture(autouse=True)
def net(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NET)
    torch.save({"w": torch.zeros(2)}, tmp_path / "net.pt")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / CARD).write_text("{}")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_tells_what_was_packed_and_how_to_test_it(call, net):
    status, out, err = call("compress", "net.py:make", "--int8=static", "--out=packed", "--normalize=0.5/0.25")

    assert (status, err) == (0, "")
    told = re.sub(r"[\d,]+ bytes, \d+", "N bytes, N", out)
    assert re.sub(r"\d+\.\d %", "P %", told) == (
        "net: int8-static\n"
        "  layers:  2 of 2 are packed\n"
        "  weights: packed/weights.pt, N bytes, N % of the float network's\n"
        "  clean:   P % of 599 test samples, the float network P %\n"
        f"  card:    packed/{CARD}\n"
        "  test it: pytest --robust-model=packed --robust-data=digits --robust-normalize=0.5/0.25\n"
    )
    assert call("compress", "net.py:make", "--prune=0.8", "--out=packed")[0] == 0  # over the one before
    assert read_card(net / "packed").how == "prune=0.8"


WRONG = {
    "nothing to do": (["net.py:make"], "nothing says what to do; say --fp8=weights or --int8=dynamic"),
    "both": (["net.py:make", "--int8=static", "--fp8=weights"], "--int8 and --fp8 exclude each other"),
    "kind": (["net.py:make", "--int8=statik"], "--int8=statik: unknown kind 'statik', did you mean 'static'?"),
    "form": (["net.py:make", "--prune=0.5", "--form=onx"], "--form=onx: unknown form 'onx', did you mean 'onnx'?"),
    "what a graph cannot hold": (["net.py:make", "--int8=static", "--form=onnx"], "cannot hold int8-static; take --i"),
    "what a program cannot hold": (["net.py:make", "--int8=dynamic", "--form=export"], "cannot hold int8-dynamic"),
    "fp8 of activations": (["net.py:make", "--fp8=dynamic"], "--fp8=dynamic: multiplies in float8, which needs a GPU"),
    "share": (["net.py:make", "--prune=2"], "--prune=2: expected the share of the weights that become 0"),
    "no number": (["net.py:make", "--prune=half"], "--prune=half: expected the share"),
    "recipe alone": (["net.py:make", "--int8=static", "--recipe=trades"], "trains on what was pruned; say how much"),
    "recipe": (["net.py:make", "--prune=0.5", "--recipe=tradse"], "did you mean 'trades'?"),
    "model": (["nope.py:make", "--int8=static"], "nope.py:make: no such file"),
    "weights alone": (
        ["net.pt", "--int8=static"],
        "net.pt: holds weights only (1 tensors, first w [2]). Say what they ",
    ),
    "options of pytest": (["net.pt", "--int8=static"], ": --arch=net.py:make, --arch=zoo:cnn or"),
    "architecture of a factory": (
        ["net.py:make", "--arch=net.py:make", "--int8=static"],
        "--arch=net.py:make: it is for a file of weights, and no model is one (net.py:make); leave it out",
    ),
    "black box": (["blackbox:net.py:make", "--int8=static"], "is no network whose weights could be compressed"),
    "compressed already": (["packed", "--int8=static"], "packed: is compressed already; compress the float network"),
    "raises": (
        ["net.py:Raises", "--int8=static"],
        "net.py:Raises: the model does not take digits, samples",
    ),
    "an option of its own name": (
        ["net.py:Raises", "--int8=static"],
        "boom; is this the data that it was made for (--data)?",
    ),
    "several inputs": (["zoo:fusion", "--int8=static", "--data=digits-parts"], "has several inputs"),
    "another data set": (["net.py:make", "--int8=static", "--data=digit-maps"], "does not take digit-maps"),
    "a folder of others": (
        ["net.py:make", "--int8=static", "--out=full"],
        "is there, and no folder of robust compress",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_in_one_line(call, name):
    args, message = WRONG[name]
    status, out, err = call("compress", *args, *["--out=packed"] * ("--out=full" not in args))

    assert (status, out) == (4, "")
    assert message in err
    assert err.startswith("robust compress: ")
    assert err.count("\n") == 1
