"""`robust certify`: its report, and what it refuses."""

import re

import numpy as np
import pytest

from robust.certification.cost import Cost
from robust.commands.certify import Stopwatch, describe
from robust.records.certificate import Certificate
from tests.making import flags, samples

NET = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():
        net[1].weight.mul_(0.01)
        net[1].bias.copy_(torch.arange(10.0))
    return net

class Sorted(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = make()

    def forward(self, x):
        return self.net(x.sort(-1).values)

class Branch(Sorted):
    def forward(self, x):
        return self.net(x) if x.sum() > 0 else self.net(-x)
"""


@pytest.fixture
def certify(call, tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    return lambda *argv, model="make": call("certify", f"net.py:{model}", "--samples=40", *argv)


def test_a_line_for_each_method_and_the_bracket(certify):
    status, out, err = certify("--threat=linf:0.1", "--method=crown")
    lines = out.splitlines()

    assert status == 0
    assert re.fullmatch(
        r"net.py:make under linf:0.1: \d samples to certify, at most about .* s; a sample: ibp .* s, crown .* s\n", err
    )
    right = re.fullmatch(
        r"net.py:make under linf:0.1: 40 samples of digits, (\d+\.\d) % right without an attack", lines[0]
    )[1]
    assert re.fullmatch(
        rf"  ibp +{right} % certified \(\d+\.\d to \d+\.\d\), \d of 40, [\d.e-]+ s a sample", lines[1]
    )  # it always answers 9, by far
    assert re.fullmatch(rf"  crown +{right} % certified \(.*\), \d of 40, not asked", lines[2])
    assert lines[3:] == [
        "  open           0.0 %, neither certified nor wrong, 0 of 40",
        f"{right} ≤ robust ≤ {right} %; no attack was run",
    ]


def test_each_threat_model_has_its_part_and_unions_are_certified_where_each_part_is(certify):
    out = certify("--robust-threat=linf:0.1,linf:0.1+l2:0.5", "--robust-certify=ibp")[1]

    assert re.findall(r"^net.py:make under ([^:]+:[^ ]+):", out, re.MULTILINE) == ["linf:0.1", "linf:0.1+l2:0.5"]


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        (
            "--method=crwn",
            "--method=crwn: unknown method 'crwn', did you mean 'crown'? Known: alpha-crown, crown, ibp",
        ),
        ("--threat=l1:3", "--method=alpha-crown: no bounds are known for l1:3; certificates are for linf and l2"),
        ("--method=none", "--method=none: expected one of ibp, crown, alpha-crown"),
        ("--threat=lin:1", "--threat=lin:1: unknown norm 'lin', did you mean 'linf'?"),
        ("--samples=9999", "--samples=9999: digits has 599 test samples"),
        ("--data=dgits", "--data=dgits: unknown data set 'dgits'"),
        ("Sorted", "net.py:Sorted cannot be certified: the model's own forward (aten::sort)"),
        ("Branch", "net.py:Branch cannot be certified: its control flow depends on the data"),
        ("nope", "net.py:nope: net.py has no 'nope'"),
        ("--time=5", "--time=5: expected a time above 0"),
    ],
)
def test_what_cannot_be_is_one_line_with_status_4(certify, argument, told):
    given = [argument] if argument.startswith("--") else []
    status, out, err = certify(*given, model="make" if given else argument)

    assert (status, out) == (4, "")
    assert err.startswith(f"robust certify: {told}")
    assert err.count("\n") == 1


def test_what_cannot_be_certified_is_not_trained_first(call, tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)

    assert "aten::sort" in call("certify", "net.py:Sorted", "--train=standard:epochs=1")[2]
    assert not (tmp_path / ".robust").exists()


def test_what_is_open_is_counted_over_all_samples_and_named():
    certificate = Certificate("crown", flags("1100000000"), np.zeros(10, np.float32), {"ibp": 1, "crown": 1}, 1.0)
    lines = [*describe(certificate, samples(10), flags("1111100000"), {"ibp": 0.001, "crown": 0.25})]

    assert lines[0].endswith(" 10.0 % certified (1.8 to 40.4), 1 of 10, 0.001 s a sample")
    assert lines[1].endswith(" 20.0 % certified (5.7 to 51.0), 2 of 10, 0.25 s a sample")
    assert lines[2].endswith(" 30.0 %, neither certified nor wrong, 3 of 10: 6, 9, 12")
    assert lines[3] == "20.0 ≤ robust ≤ 50.0 %; no attack was run"


def test_time_that_ran_out_is_told():
    certificate = Certificate("ibp", flags("10"), np.zeros(2, np.float32), {"ibp": 1}, 1.0, partial="time")

    lines = [*describe(certificate, samples(2), flags("11"), {})]
    assert lines[0].endswith(", 1 of 2, stopped")
    assert lines[1].startswith("  stopped by --time before each sample was bounded")


def test_the_pace_of_a_method_is_by_the_samples_that_it_was_asked(monkeypatch):
    class Shown:
        def show(self, note, share):
            self.note, self.share = note, share

    times = iter([0.0, 9.0, 10.0])
    monkeypatch.setattr("robust.commands.certify.time.perf_counter", lambda: next(times))
    watch = Stopwatch(Shown(), Cost({"ibp": 1.0, "crown": 3.0}, {"ibp": 100, "crown": 100}))
    watch("ibp", 0, 100)
    watch("crown", 0, 10)

    assert (watch.bar.note, watch.bar.share) == ("crown, 10 left", (100 + 3 * 90) / 400)
    assert watch.pace(14.0) == {"ibp": 0.09, "crown": 0.5}
    assert watch.pace(14.0, stopped=True) == {"ibp": 0.09}  # the only batch of crown was not finished
