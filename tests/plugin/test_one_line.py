"""Internal errors of pytest, and tracebacks, are one line now: neither kind ends a run with status 3."""

import pickle
import zipfile

import pytest
import torch

from robust.models.format import Terms, read_model
from tests.plugin.test_full_disk import limited

FORMS = """
import torch
from torch import nn

class Odd(nn.Sequential):
    def forward(self, x):
        return MAKE[self.form](super().forward(x))

MAKE = {
    "nested": lambda y: torch.nested.nested_tensor([*y]),
    "sparse": lambda y: y.to_sparse(),
    "meta": lambda y: y.to("meta"),
    "quantised": lambda y: torch.quantize_per_tensor(y.detach(), 0.1, 0, torch.qint8),
    "broken": lambda y: (_ for _ in ()).throw(BaseException("broken")),
}

def make(form):
    net = Odd(nn.Flatten(), nn.Linear(64, 10))
    net.form = form
    return net
"""


@pytest.mark.parametrize("form", ["nested", "sparse", "meta", "quantised", "broken"])
def test_an_answer_that_is_no_plain_tensor_is_one_line(run, folder, form):
    (folder / "forms.py").write_text(FORMS)
    result = run(f"--robust-model=forms.py:make(form={form!r})")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    told = "BaseException: broken" if form == "broken" else f"the model answers with a {form} tensor, expected"
    result.stderr.fnmatch_lines([f"ERROR: --robust-model=forms.py:make(form='{form}'): *{told}*"])


def test_a_state_dict_nested_deeply_is_one_line(tmp_path):
    torch.save({"w": torch.zeros(1)}, tmp_path / "sound.pt")
    deep = pickle.PROTO + b"\x02" + b"}X\x01\x00\x00\x00k" * 5000 + b"}" + b"s" * 5000 + b"."
    with zipfile.ZipFile(tmp_path / "sound.pt") as sound, zipfile.ZipFile(tmp_path / "deep.pt", "w") as file:
        for member in sound.infolist():
            file.writestr(member, deep if member.filename.endswith("data.pkl") else sound.read(member))

    with pytest.raises(ValueError, match=r"is nested too deeply, or claims too much, to be a file of torch.save"):
        read_model(tmp_path / "deep.pt", Terms())


@pytest.mark.parametrize("value", ["[65]", "[[1]]", "[true]", "[{a = 1}]"])
@pytest.mark.parametrize("key", ["robust_fail_under", "robust_threat"])
def test_an_ini_list_of_something_else_than_texts_is_one_line(run, pytester, key, value):
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n{key} = {value}\n")
    result = run("--robust-model=net.py:make")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f'ERROR: {key}: expected a list of texts in quotes, as [[]"..."[]], got *'])


@pytest.mark.parametrize("file", ["deep.toml", "config.toml"])
def test_deeply_nested_toml_is_one_line(run, folder, file):
    (folder / file).write_text("stages = " + "[" * 5000 + "]" * 5000)
    option = "--robust-suite=deep.toml" if file == "deep.toml" else "--robust-train=standard:config=config.toml"
    result = run("--robust-model=net.py:make", option, fast=False)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len([line for line in result.stderr.lines if line]) == 1


def test_a_training_on_a_full_disk_is_one_line(fork_run, folder):
    result = fork_run(
        "--robust-model=net.py:bare", "--robust-train=standard:epochs=1", "--robust-samples=60",
        "--robust-attack=fgsm", "--robust-leaderboard=none", "-p", "no:cacheprovider", before=limited,
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "the training could not be written: [Errno 27] File too large" in result.stdout.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
