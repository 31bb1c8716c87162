"""Every form that a model comes in, written by the library that it is of: the same logits, and the same gradient."""

import argparse
import copy
import pickle
import re
import sys
import warnings

import pytest
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from torch import nn

from robust.models.format import FORMATS, Terms, read_model
from robust.models.load import hash_weights, load
from robust.models.permissions import Permissions
from robust.models.program import Batched
from robust.models.spec import ModelSpec

SHAPE, CLASSES, BATCH = (1, 6, 6), 4, 5

NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 4))
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A module whose batch norm is not in its first state, of a class in a file of the user's."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "users_net.py").write_text(NET)
    monkeypatch.delitem(sys.modules, "users_net", raising=False)
    import users_net

    torch.manual_seed(0)
    net = users_net.Net()
    net(torch.rand(20, *SHAPE))
    return net.eval()


def script(net, path, change=torch.jit.script):
    """Save it as TorchScript, which warns of its own end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(change(net), path)


def frozen(net):
    return torch.jit.freeze(torch.jit.script(net))


def traced(net, n):
    return torch.jit.trace(Rigid(net, n).eval(), torch.rand(n, *SHAPE))


class Rigid(nn.Module):
    """A network that is for one batch size only, as careless reshapes make it."""

    def __init__(self, net, n):
        super().__init__()
        self.net = net
        self.n = n

    def forward(self, x):
        return self.net(x.reshape(self.n, *SHAPE)).reshape(self.n, CLASSES)


def export(net, path, dim=None):
    shapes = dim and ({0: dim},)
    torch.export.save(torch.export.export(net, (torch.rand(2, *SHAPE),), dynamic_shapes=shapes), path)


def training(net):
    return {"epoch": 3, "optimizer": {"lr": 0.1}, "state_dict": net.state_dict(), "ema": net.state_dict()}


def lightning(net):
    states = {f"model.{name}": tensor for name, tensor in net.state_dict().items()}
    return {"pytorch-lightning_version": "2.5.0", "state_dict": states | {"loss.weight": torch.ones(4)}}


def averaged(net):
    return torch.optim.swa_utils.AveragedModel(net).state_dict()


def pickled(thing, path):
    path.write_bytes(pickle.dumps(thing))


def legacy(thing, path):
    torch.save(thing, path, _use_new_zipfile_serialization=False)


WEIGHTS = {
    "safetensors": (lambda net, path: save_file(net.state_dict(), path), ""),
    "torch.save": (lambda net, path: torch.save(net.state_dict(), path), ""),
    "torch.save of old": (lambda net, path: legacy(net.state_dict(), path), ""),
    "a training's state": (
        lambda net, path: torch.save(training(net), path),
        "taken from 'state_dict'; also there: ema",
    ),
    "model": (lambda net, path: torch.save({"model": net.state_dict()}, path), "taken from 'model'"),
    "a name of their own": (
        lambda net, path: torch.save({"epoch": 3, "my_net": net.state_dict(), "sgd": {"lr": 0.1}}, path),
        "taken from 'my_net'",
    ),
    "ema": (lambda net, path: torch.save({"ema": net.state_dict(), "step": 9}, path), "taken from 'ema'"),
    "DataParallel": (
        lambda net, path: torch.save(nn.DataParallel(net).state_dict(), path),
        "'module.' taken off the names",
    ),
    "DataParallel, safetensors": (
        lambda net, path: save_file(nn.DataParallel(net).state_dict(), path),
        "'module.' taken off the names",
    ),
    "torch.compile": (
        lambda net, path: torch.save(torch.compile(net, backend="eager").state_dict(), path),
        "'_orig_mod.' taken off the names",
    ),
    "torch.compile in DataParallel": (
        lambda net, path: torch.save(
            {"model": nn.DataParallel(torch.compile(net, backend="eager")).state_dict()}, path
        ),
        "taken from 'model'; '_orig_mod.' taken off the names; 'module.' taken off the names",
    ),
    "Lightning": (
        lambda net, path: torch.save(lightning(net), path),
        "taken from 'state_dict'; 'model.' taken off the names; left out: loss.weight",
    ),
    "AveragedModel": (
        lambda net, path: torch.save(averaged(net), path),
        "'module.' taken off the names; left out: n_averaged",
    ),
}

PROGRAMS = {
    "TorchScript": (script, ""),
    "TorchScript, saved while training": (lambda net, path: script(copy.deepcopy(net).train(), path), ""),
    "TorchScript, frozen": (lambda net, path: script(net, path, frozen), ""),
    "TorchScript, for one": (lambda net, path: script(net, path, lambda net: traced(net, 1)), "made for batches of 1"),
    "TorchScript, for four": (lambda net, path: script(net, path, lambda net: traced(net, 4)), "made for batches of 4"),
    "torch.export, for two": (lambda net, path: export(net, path), "made for batches of 2"),
    "torch.export, any batch": (lambda net, path: export(net, path, torch.export.Dim("n")), ""),
    "torch.export, to three": (
        lambda net, path: export(net, path, torch.export.Dim("n", max=3)),
        "made for batches of 0 to 3",
    ),
    "torch.export, from two": (
        lambda net, path: export(net, path, torch.export.Dim.AUTO),
        "made for batches of 2 or more",
    ),
    "full pickle": (torch.save, ""),
    "full pickle of old": (legacy, ""),
    "full pickle, pickled": (pickled, ""),
    "full pickle in a dict": (lambda net, path: torch.save({"model": net, "epoch": 1}, path), "taken from 'model'"),
    "state dict with a namespace": (
        lambda net, path: torch.save({"args": argparse.Namespace(lr=1), "model": net.state_dict()}, path),
        "taken from 'model'",
    ),
}


def allow(path):
    return Permissions(code=(str(path),))


def answers(module, n):
    """Logits, and the gradient of them that leads to the input."""
    x = torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(n), requires_grad=True)
    logits = module(x)
    return logits.detach(), torch.autograd.grad(logits[:, 0].sum(), x)[0]


def assert_same(module, net):
    for n in (1, 2, BATCH):
        for found, expected in zip(answers(module.eval(), n), answers(net, n), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("form", WEIGHTS)
def test_weights_of_every_form_give_the_same_answers(net, tmp_path, form):
    write, told = WEIGHTS[form]
    write(net, tmp_path / "file")

    subject = load(ModelSpec.parse("file", tmp_path), "users_net.py:Net", SHAPE, CLASSES, tmp_path)

    assert_same(subject.module, net)
    assert "; ".join(subject.notes) == told


@pytest.mark.parametrize("form", PROGRAMS)
def test_programs_of_every_form_give_the_same_answers_where_they_are_allowed_to_run(net, tmp_path, form):
    write, told = PROGRAMS[form]
    path = tmp_path / "file"
    write(net, path)
    spec = ModelSpec.parse("file", tmp_path)

    with pytest.raises(ValueError, match=r"so it was not loaded; .*--robust-run-code=\S*file$"):
        load(spec, "users_net.py:Net", SHAPE, CLASSES, tmp_path, Permissions(has_options=True))
    subject = load(spec, "users_net.py:Net", SHAPE, CLASSES, tmp_path, allow(path))

    assert_same(subject.module, net)
    assert "; ".join(subject.notes) == told
    assert len(subject.weights) == 64


def test_every_format_is_written_here():
    others = {"onnx", "transformers"}  # in test_forms.py
    assert [name for name in FORMATS.names() if name not in others] == [
        "exported",
        "safetensors",
        "torch-save",
        "torchscript",
    ]


def test_a_module_of_names_that_the_user_allows_is_unpickled_with_these_alone(net, tmp_path):
    torch.save(net, tmp_path / "file")
    with pytest.raises(ValueError, match="--robust-safe-globals=") as error:
        read_model(tmp_path / "file", Terms(permissions=Permissions(has_options=True)))
    names = tuple(re.search("--robust-safe-globals=([^;]*);", str(error.value))[1].split(","))

    found = read_model(tmp_path / "file", Terms(permissions=Permissions(safe_globals=names))).content

    assert "users_net.Net" in names
    assert_same(found, net)
    with pytest.raises(ValueError, match="so it was not loaded"):  # the next file is not allowed them
        read_model(tmp_path / "file", Terms())


def test_a_program_is_told_by_its_file_where_its_weights_are_in_its_code(net, tmp_path):
    """Two frozen programs have no parameters; a record of one must not pass for one of the other."""
    hashes = set()
    for k in range(2):
        script(net, tmp_path / f"{k}", frozen)
        hashes.add(
            hash_weights(read_model(tmp_path / f"{k}", Terms(SHAPE, permissions=allow(tmp_path / f"{k}"))).content)
        )
        nn.init.normal_(net[0].weight)
    assert len(hashes) == 2


def test_code_that_fails_is_told_in_one_line(net, tmp_path, monkeypatch):
    torch.save(net, tmp_path / "file")
    monkeypatch.delattr("users_net.Net")

    with pytest.raises(ValueError, match=r"^failed to load: AttributeError: .*Net.* \(\w+\.py, line \d+\)$"):
        read_model(tmp_path / "file", Terms(permissions=allow(tmp_path / "file")))


def test_a_program_of_two_inputs_is_refused(tmp_path):
    program = torch.export.export(nn.Bilinear(2, 2, 2), (torch.rand(3, 2), torch.rand(3, 2)))
    torch.export.save(program, tmp_path / "file")

    with pytest.raises(ValueError, match=r"a torch\.export program of 2 inputs, expected one"):
        read_model(tmp_path / "file", Terms(permissions=allow(tmp_path / "file")))


def test_an_older_torch_is_warned_of(net, tmp_path, monkeypatch):
    torch.save(net.state_dict(), tmp_path / "file")

    for version, told in (("2.9.1+cpu", 1), ("2.10.0", 0)):
        monkeypatch.setattr(torch, "__version__", version)
        assert "CVE-2026-24747" * told in "".join(read_model(tmp_path / "file", Terms()).notes)
        assert len(read_model(tmp_path / "file", Terms()).notes) == told


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(("least", "most"), [(2, 2), (1, 3), (4, 100)])
def test_any_batch_goes_through_a_module_of_few_sizes(n, least, most):
    sizes = []

    def double(x):
        sizes.append(len(x))
        return 2 * x

    module = nn.Identity()
    module.forward = double
    x = torch.arange(2.0 * n).reshape(n, 2)

    assert torch.equal(Batched(module, least, most)(x), 2 * x)
    assert all(least <= size <= most for size in sizes)


def test_a_pickle_of_scikit_learn_is_pointed_to_its_own_door(tmp_path):
    (tmp_path / "forest.pkl").write_bytes(pickle.dumps(LogisticRegression()))

    with pytest.raises(ValueError, match=r"so it was not loaded; .*--robust-model=blackbox:FILE\.py:FACTORY"):
        read_model(tmp_path / "forest.pkl", Terms())
