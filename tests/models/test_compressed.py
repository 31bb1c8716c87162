"""Compressed networks: packings, pruning, the float twin's gradient, and the folder of `robust compress`."""

import copy
import io
import re
import warnings

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks.engine import assail
from robust.attacks.threats.threat import read_threat
from robust.attacks.zoo.pgd import PGD
from robust.cli import main
from robust.data.dataset import Samples
from robust.evaluation.measure import measure_clean
from robust.models.compressed import CARD, TWIN, hash_file, list_made_here, read_card
from robust.models.format import Terms
from robust.models.formats.compressed import TOLD
from robust.models.load import load
from robust.models.packing import pack, quietly
from robust.models.packings._weights import PackedConvolution
from robust.models.permissions import Permissions
from robust.models.pruning import measure_zeros, prune_weights, release
from robust.models.registry import PACKINGS
from robust.models.spec import ModelSpec
from robust.models.traits import has_gradient, is_queried
from robust.models.twinned import follow_twin, is_twinned
from robust.models.weights import hash_weights, is_packed
from robust.user_code import is_installed

torch.manual_seed(0)
X = torch.rand(32, 1, 8, 8)
OWN = {"int8-dynamic": False, "int8-static": False, "int8-weights": True, "fp8-weights": True}  # a gradient reaches x
NET = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))

class Convolutions(nn.Sequential):
    def forward(self, x):
        return super().forward(x).mean((2, 3))

def convolutions():
    torch.manual_seed(0)
    return Convolutions(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 10, 3))
"""


def network(linear=True):
    torch.manual_seed(0)
    head = nn.Linear(144, 10) if linear else nn.Identity()
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), head).eval()


def needs_torchao(name):
    if name.endswith("weights") and not is_installed("torchao"):
        pytest.skip("torchao is not installed")


def test_every_packing_is_looked_at_here():
    assert {*OWN} == {*PACKINGS.names()}


@pytest.mark.parametrize("name", OWN)
def test_a_packed_network_answers_nearly_as_the_float_one_and_is_saved_as_data_alone(name):
    needs_torchao(name)
    net = network()
    before = hash_weights(net)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of libraries that tell of their own deprecation
        packed, again = pack(name, net, X), pack(name, net, torch.zeros(2, 1, 8, 8))
    file = io.BytesIO()
    torch.save(packed.state_dict(), file)
    file.seek(0)
    with quietly():
        again.load_state_dict(torch.load(file, weights_only=True), assign=True)

    with torch.no_grad():
        error = float((packed(X) - net(X)).abs().max() / net(X).abs().max())
        assert 0 < error < 0.1
        assert packed(X).equal(again(X))
    assert hash_weights(again) == hash_weights(packed) != before == hash_weights(net)
    assert is_packed(packed)
    assert has_gradient(packed, X) == OWN[name]


def test_convolutions_alone_need_no_torchao(monkeypatch):
    monkeypatch.setattr("robust.models.packings._weights.is_installed", lambda name: False)

    packed = pack("int8-weights", network(linear=False), X)

    assert isinstance(packed[0], PackedConvolution)
    assert packed[0].packed.dtype == torch.int8
    with pytest.raises(LookupError, match=r"pip install 'pytest-robust\[compress\]'"):
        pack("int8-weights", network(), X)


def test_the_scale_of_a_convolution_is_by_channel():
    net = network(linear=False)
    with torch.no_grad():
        net[0].weight[0] *= 1000
    packed = pack("int8-weights", net, X)[0]

    steps = (net[0].weight / packed.scale).abs().flatten(1).amax(1)
    assert torch.allclose(steps, torch.full((4,), 127.0))
    error = (packed.packed * packed.scale - net[0].weight.detach()).abs() / packed.scale
    assert float(error.max()) <= 0.5 + 1e-4


def test_a_network_without_such_layers_is_refused():
    with pytest.raises(ValueError, match="no linear layer, and int8=dynamic packs these alone"):
        pack("int8-dynamic", network(linear=False), X)
    with pytest.raises(ValueError, match="expected one of Linear, Conv1d, Conv2d, Conv3d"):
        pack("int8-static", nn.Sequential(nn.ReLU()), X)
    with pytest.raises(ValueError, match="whose weights could be pruned"):
        prune_weights(nn.ReLU(), 0.5)


def test_a_layer_in_two_places_is_packed_in_both():
    layer = nn.Linear(64, 64)
    net = nn.Sequential(nn.Flatten(), layer, nn.ReLU(), layer)

    for name in ("int8-static", "int8-dynamic"):
        with torch.no_grad():
            assert (pack(name, net, X)(X) - net(X)).abs().max() < 0.05


def test_a_twin_gives_its_gradient_and_never_an_answer():
    twin = network()
    packed = pack("int8-static", twin, X)
    with torch.no_grad():
        answers = packed(X)
    module = follow_twin(copy.deepcopy(packed), twin)
    leaf, ours = X.clone().requires_grad_(), X.clone().requires_grad_()

    assert is_twinned(module)
    assert module(leaf).detach().equal(answers)
    (grad,) = torch.autograd.grad(module(leaf)[:, 0].sum(), leaf)
    (expected,) = torch.autograd.grad(twin(ours)[:, 0].sum(), ours)
    assert grad.equal(expected)
    assert hash_weights(module) == hash_weights(packed)
    copied = copy.deepcopy(module)
    assert is_twinned(copied)
    assert copied(leaf).requires_grad


def test_an_attack_through_the_twin_counts_only_what_fools_the_packed_network():
    twin = network()
    module = follow_twin(pack("int8-static", twin, X), twin)
    with torch.no_grad():
        y = module(X).argmax(1)
    found = assail(module, PGD(10), X, y, read_threat("linf:0.1"))

    with torch.no_grad():
        assert found.adversarial.any()
        assert (module(found.x_adv).argmax(1) != y)[found.adversarial].all()


def test_pruning_holds_the_smallest_weights_of_all_layers_at_zero():
    net = network()
    masked = prune_weights(net, 0.5)
    weights = torch.cat([net[0].weight.flatten(), net[3].weight.flatten()]).abs()
    kept = torch.cat([masked[0].weight.flatten(), masked[3].weight.flatten()])
    optimiser = torch.optim.SGD(masked.parameters(), lr=0.1)
    masked(X).square().sum().backward()
    optimiser.step()
    plain = release(masked)

    assert weights[kept == 0].max() <= weights[kept != 0].min()
    assert measure_zeros(plain) == pytest.approx(0.5, abs=1e-3)
    assert plain.state_dict().keys() == net.state_dict().keys()
    assert measure_zeros(net) == 0


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    """A function: a folder that `robust compress` wrote, here, with these arguments."""
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)

    def make(*args, model="net.py:make"):
        assert main(["compress", model, *args, "--out=packed"]) == 0, capsys.readouterr().err
        capsys.readouterr()
        return tmp_path / "packed"

    return make


def read(path, road="", **terms):
    permissions = Permissions(list_made_here(path.parent / ".robust"), has_options=True)
    terms = Terms((1, 8, 8), 10, **{"permissions": permissions, "inputs": X, "road": road, **terms})
    return load(ModelSpec.parse(path.name, path.parent), None, path.parent, terms)


def source(path):
    return msgspec.json.decode((path / CARD).read_bytes())["source"]


def rewrite(path, **changes):
    """Change the card, and let it be one that this project wrote."""
    card = msgspec.json.decode((path / CARD).read_bytes())
    card.update(changes)
    (path / CARD).write_bytes(msgspec.json.encode(card))
    (path.parent / ".robust" / "compressed" / hash_file(path / CARD)).write_text("")


def test_a_folder_holds_the_packed_network_and_is_attacked_through_its_twin(folder):
    path = folder("--int8=static", "--calibration=64")
    subject, card = read(path), read_card(path)

    assert subject.notes == (
        "compressed from net.py:make (int8-static)",
        "it is attacked through the gradient of its float twin, straight through: what counts must fool the compressed "
        "network itself",
    )
    assert is_twinned(subject.module)
    assert (card.packed_layers, card.layers, card.calibration.n) == (2, 2, 64)
    assert card.bytes == (path / "weights.pt").stat().st_size
    assert read(path).weights == subject.weights == read(path, "queries").weights


@pytest.mark.parametrize(("road", "twinned", "queried"), [("twin", True, False), ("queries", False, True)])
def test_a_road_is_taken_where_it_is_asked_for(folder, road, twinned, queried):
    module = read(folder("--int8=dynamic"), road).module

    assert (is_twinned(module), is_queried(module)) == (twinned, queried)
    assert module(X.clone().requires_grad_()).requires_grad != queried


def test_there_is_no_road_along_a_gradient_that_is_not_there(folder):
    with pytest.raises(ValueError, match=r"no gradient of its own to the inputs; take --robust-road=twin or"):
        read(folder("--int8=dynamic"), "own")


def test_weights_alone_have_a_gradient_of_their_own(folder):
    subject = read(folder("--int8=weights", model="net.py:convolutions"))

    assert subject.notes == (
        "compressed from net.py:convolutions (int8-weights)",
        "its parameters are quantised: it is attacked through its gradient",
    )
    assert not is_twinned(subject.module)
    assert subject.module(X.clone().requires_grad_()).requires_grad


def test_a_pruned_network_is_plain_and_its_twin_is_the_one_before(folder):
    path = folder("--prune=50%")
    subject = read(path)

    assert subject.notes[0] == "compressed from net.py:make (prune=0.5)"
    assert measure_zeros(subject.module) == pytest.approx(0.5, abs=1e-3)
    assert not is_packed(subject.module)
    assert is_twinned(read(path, "twin").module)


def test_a_pruned_network_is_trained_on_with_its_zeros(folder):
    path = folder("--prune=0.8", "--recipe=fgsm-rs:epochs=1", "--int8=dynamic")
    card = read_card(path)

    assert card.how == "prune=0.8, fgsm-rs:epochs=1, int8-dynamic"
    assert card.zeros == pytest.approx(0.8, abs=1e-3)


def test_a_strangers_folder_runs_no_code(folder):
    path = folder("--int8=static")
    stranger = Permissions(has_options=True)

    with pytest.raises(ValueError, match=r"net.py:make, code that would be run, and not by robust compress in this"):
        read(path, permissions=stranger)
    allowed = Permissions((str(path / CARD),))
    assert read(path, permissions=allowed).weights == read(path).weights


def test_a_library_needs_no_permission(folder):
    assert read(folder("--int8=static", model="zoo:cnn"), permissions=Permissions()).columns == 10


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: (path / "weights.pt").write_bytes(b"no"), "has another weights.pt than its card says"),
        (lambda path: (path / TWIN).unlink(), "lacks float.safetensors"),
        (lambda path: (path / CARD).write_text("{}"), "holds no sound compressed.json"),
        (lambda path: (path / CARD).write_text("[" * 5000), "holds no sound compressed.json"),
        (lambda path: rewrite(path, schema=2), "is of schema 2"),
        (lambda path: rewrite(path, packing="int9"), "unknown packing 'int9'"),
        (lambda path: (path.parent / "net.py").unlink(), "was made from net.py:make, which is not there"),
        (
            lambda path: rewrite(path, source={**source(path), "model": "net.py:convolutions"}),
            "does not fit net.py:conv",
        ),
    ],
)
def test_a_folder_that_is_not_as_it_was_written_is_refused_in_one_line(folder, harm, message):
    path = folder("--int8=static")
    harm(path)

    with pytest.raises((ValueError, LookupError), match=re.escape(message)) as error:
        read(path)
    assert "\n" not in str(error.value)


def test_weights_that_would_run_code_are_not_loaded(folder):
    path = folder("--int8=static")
    torch.save({"0.weight": print}, path / "weights.pt")
    rewrite(path, file=hash_file(path / "weights.pt"))

    with pytest.raises(ValueError, match="holds more than weights"):
        read(path)


def test_another_normalisation_than_the_packing_saw_is_refused(folder):
    path = folder("--int8=static", "--normalize=0.5/0.25")

    with pytest.raises(ValueError, match="say the same, as --robust-normalize=0"):
        read(path)
    assert is_twinned(read(path, normalize="0.5/0.25").module)


@pytest.mark.parametrize(
    ("args", "road"),
    [
        (("--int8=dynamic", "--form=onnx"), "twin"),
        (("--prune=0.5", "--form=onnx"), "twin"),
        (("--int8=static", "--form=export"), "twin"),
        (("--int8=weights", "--form=export"), "own"),
        (("--prune=0.5", "--form=export"), "own"),
    ],
    ids=" ".join,
)
def test_a_deployed_form_is_attacked_as_it_answers(folder, args, road):
    needs_torchao(args[0].removeprefix("--").replace("=", "-") if args[0] != "--int8=static" else "graph-weights")
    path = folder(*args)
    subject, again = read(path), read(path)
    net, leaf = read(path, "twin").module.forward, X.clone().requires_grad_()

    assert is_twinned(subject.module) == (road == "twin")
    assert f"through {TOLD[road]}" in subject.notes[1]
    assert subject.weights == again.weights
    answer = subject.module(leaf)
    (grad,) = torch.autograd.grad(answer[:, 0].sum(), leaf)
    assert grad.abs().sum() > 0
    with torch.no_grad():
        assert subject.module(X).equal(answer.detach())
        with quietly():  # torch's own, of a program that is copied
            copied = copy.deepcopy(subject.module)
        assert (copied(X[:1]) - subject.module(X[:1])).abs().max() < 1e-6
        assert (subject.module(X) - net.twin(X)).abs().max() < (0.2 if "--prune=0.5" in args else 0.05)


def test_a_program_of_a_stranger_is_not_run(folder):
    path = folder("--prune=0.5", "--form=export", model="zoo:cnn")

    with pytest.raises(ValueError, match=r"holds a torch.export program, code that would be run"):
        read(path, permissions=Permissions(has_options=True))


def test_a_graph_of_a_stranger_is_data(folder):
    path = folder("--int8=dynamic", "--form=onnx", model="zoo:cnn")

    assert is_twinned(read(path, permissions=Permissions()).module)


class Ties(nn.Module):
    """A stand-in for int8: logits in whole steps, so that classes 1 and 2 tie; of these argmax names the first."""

    def forward(self, x):
        return torch.tensor([0.0, 1.0, 1.0]).expand(len(x), 3).clone()


def test_a_tie_goes_as_the_deployed_argmax_goes():
    module = follow_twin(Ties(), nn.Sequential(nn.Flatten(), nn.Linear(64, 3)))
    samples = Samples(X[:2].numpy(), np.array([1, 2]), np.arange(2))

    assert measure_clean(module, samples).correct.tolist() == [True, False]
    found = assail(module, PGD(2), X[:1], torch.tensor([1]), read_threat("linf:0.1"))
    assert not found.adversarial.any()
