"""Every format of a model, written by its library: loaded it has the same logits and the same gradient."""

import pickle
import re
import sys

import joblib
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from robust.models.format import FORMATS, Terms, read_model
from robust.models.load import load
from robust.models.permissions import Permissions
from robust.models.program import Batched
from robust.models.spec import ModelSpec
from robust.models.weights import hash_weights
from tests.models.formats import CLASSES, NET, PROGRAMS, SHAPE, WEIGHTS, allow, assert_same, frozen, script


@pytest.fixture
def net(tmp_path, monkeypatch):
    """Return a module of a class in a user's file, whose batch norm is not in its first state."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "users_net.py").write_text(NET)
    monkeypatch.delitem(sys.modules, "users_net", raising=False)
    import users_net

    torch.manual_seed(0)
    net = users_net.Net()
    net(torch.rand(20, *SHAPE))
    return net.eval()


@pytest.mark.parametrize("form", WEIGHTS)
def test_weights_of_every_form_give_the_same_answers(net, tmp_path, form):
    write, notes = WEIGHTS[form]
    write(net, tmp_path / "file")

    subject = load(ModelSpec.parse("file", tmp_path), "users_net.py:Net", tmp_path, Terms(SHAPE, CLASSES))

    assert_same(subject.module, net)
    assert "; ".join(subject.notes) == notes


@pytest.mark.parametrize("form", PROGRAMS)
def test_programs_of_every_form_give_the_same_answers_where_they_are_allowed_to_run(net, tmp_path, form):
    write, notes = PROGRAMS[form]
    path = tmp_path / "file"
    write(net, path)
    spec, arch = ModelSpec.parse("file", tmp_path), "users_net.py:Net" if form.startswith("state dict") else None

    with pytest.raises(ValueError, match=r"so it was not loaded; .*--robust-run-code=\S*file$"):
        load(spec, arch, tmp_path, Terms(SHAPE, CLASSES, Permissions(has_options=True)))
    subject = load(spec, arch, tmp_path, Terms(SHAPE, CLASSES, allow(path)))

    assert_same(subject.module, net)
    assert "; ".join(subject.notes) == notes
    assert len(subject.weights) == 64


def test_every_format_is_written_here():
    others = {"compressed", "onnx", "transformers"}  # in test_compressed.py and test_forms.py
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


def test_a_program_is_identified_by_its_file_if_its_weights_are_in_its_code(net, tmp_path):
    """Compare two frozen programs without parameters: a record of one must not pass for the other's."""
    hashes = set()
    for k in range(2):
        script(net, tmp_path / f"{k}", frozen)
        hashes.add(
            hash_weights(read_model(tmp_path / f"{k}", Terms(SHAPE, permissions=allow(tmp_path / f"{k}"))).content)
        )
        nn.init.normal_(net[0].weight)
    assert len(hashes) == 2


def test_code_that_fails_is_reported_in_one_line(net, tmp_path, monkeypatch):
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

    for version, n_notes in (("2.9.1+cpu", 1), ("2.10.0", 0)):
        monkeypatch.setattr(torch, "__version__", version)
        assert "CVE-2026-24747" * n_notes in "".join(read_model(tmp_path / "file", Terms()).notes)
        assert len(read_model(tmp_path / "file", Terms()).notes) == n_notes


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


def test_numbers_of_numpy_beside_weights_are_loaded_with_the_names_that_the_refusal_says(net, tmp_path):
    torch.save({"state_dict": net.state_dict(), "best": np.mean([97.8]), "epoch": np.int32(3)}, tmp_path / "file")
    with pytest.raises(ValueError, match="--robust-safe-globals=") as error:
        read_model(tmp_path / "file", Terms(permissions=Permissions(has_options=True)))
    names = tuple(re.search("--robust-safe-globals=([^;]*);", str(error.value))[1].split(","))

    content = read_model(tmp_path / "file", Terms(permissions=Permissions(safe_globals=names))).content

    assert content.keys() == net.state_dict().keys()


def test_a_file_of_joblib_is_not_said_to_be_loadable(tmp_path):
    joblib.dump({"w": np.zeros(9)}, tmp_path / "weights.joblib")

    with pytest.raises(ValueError, match="is a file of joblib") as error:
        read_model(tmp_path / "weights.joblib", Terms(permissions=Permissions(has_options=True)))
    assert "--robust-run-code" not in str(error.value)
