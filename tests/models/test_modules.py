"""Modules as people deploy them: their types, their packed parameters, their compiled forms."""

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks.fast_copy import make_fast_copy
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.evaluation.measure import measure_clean
from robust.models.blackbox import build_ask
from robust.models.checkpoint import fit_weights
from robust.models.compiled import check_compiled
from robust.models.format import Terms, read_model
from robust.models.judged import BY_BATCH, judges
from robust.models.load import make_subject
from robust.models.traits import is_queried
from robust.models.weights import count_parameters, hash_weights
from robust.train.factory import read_recipe
from robust.train.prepare import rehearse
from robust.trust.mitigated_attack import choose_mitigations
from tests.plugin.forms_of_modules import COMPILED, HALVES_AND_DOUBLES, LOW_PRECISION, QUANTISED, make

X = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
TERMS = Terms((1, 8, 8), 10, inputs=X)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def load(form, net=None):
    return make_subject("net", make(net or network(), form), TERMS)


@pytest.mark.parametrize("form", HALVES_AND_DOUBLES)
def test_parameters_of_other_types_become_float32(form):
    subject = load(form)

    assert subject.notes == (f"its parameters, {'float64' if form == 'double' else form_type(form)}, become float32",)
    assert {parameter.dtype for parameter in subject.module.parameters()} == {torch.float32}
    assert torch.allclose(subject.module(X), network()(X), atol=2e-2)


def form_type(form):
    return "bfloat16" if form == "bfloat16" else "float16"


@pytest.mark.parametrize("form", LOW_PRECISION)
def test_a_model_that_converts_its_inputs_itself_is_left_alone(form):
    subject = load(form)
    before = {parameter.dtype for parameter in make(network(), form).parameters()}

    assert {parameter.dtype for parameter in subject.module.parameters()} == before
    assert torch.allclose(subject.module(X).float(), network()(X), atol=5e-2)


def test_inputs_are_converted_for_packed_parameters_that_need_it():
    class Packed(nn.Linear):
        def forward(self, x):
            if x.dtype != torch.bfloat16:
                raise RuntimeError("expected bfloat16")
            return super().forward(x.flatten(1).float())

    net = Packed(64, 10)
    net.register_buffer("scale", torch.ones(1, dtype=torch.bfloat16))
    subject = make_subject("net", net, TERMS)

    assert subject.notes == ("its inputs become bfloat16, as its parameters are",)
    assert subject.module(X).shape == (16, 10)


@pytest.mark.parametrize("form", ["autocast", "half-inside", "cast-bfloat16"])
def test_mitigations_are_chosen_whatever_the_type_inside(form):
    attack = choose_mitigations(load(form).module, X, read_threat("linf:0.1"))

    assert "queries" in attack.names
    leaf = X.clone().requires_grad_()
    (grad,) = torch.autograd.grad(attack.model(leaf).sum(), leaf)
    assert grad.abs().sum() > 0


@pytest.mark.parametrize("form", QUANTISED)
def test_packed_parameters_are_counted_and_hashed(form):
    first, again, other = (make(network(seed), form) for seed in (0, 0, 1))

    assert count_parameters(first) == count_parameters(network()) == 64 * 16 + 16 + 16 * 10 + 10
    assert hash_weights(first) == hash_weights(again)
    assert hash_weights(first) != hash_weights(other)


def test_two_quantised_lstms_have_two_hashes():
    def quantised(seed):
        torch.manual_seed(seed)
        with pytest.warns(DeprecationWarning, match="is deprecated"):
            return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(8, 4)), {nn.LSTM})

    assert hash_weights(quantised(0)) == hash_weights(quantised(0)) != hash_weights(quantised(1))


def test_shared_weights_are_counted_once():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight

    assert count_parameters(net) == 9 + 3 + 3


@pytest.mark.parametrize(("form", "queried"), [("dynamic", True), ("static", True), ("subclass", False)])
def test_it_is_found_whether_a_gradient_reaches_the_inputs(form, queried):
    subject = load(form)

    assert is_queried(subject.module) == queried
    assert ("by queries" if queried else "through its gradient") in subject.notes[0]
    assert len(judges(subject.module)) == (2 if form == "dynamic" else 1)
    assert subject.module(X.clone().requires_grad_()).requires_grad != queried


class Relative(nn.Module):
    """A stand-in for dynamic int8: class 1 is where an input is brighter than the mean of its batch, or than 0.5."""

    def __init__(self, change=0.1):
        super().__init__()
        setattr(self, BY_BATCH, change)

    def forward(self, x):
        bright = x.flatten(1).mean(1)
        bar = bright.mean() if len(x) > 1 else 0.5
        return torch.stack([torch.zeros_like(bright), bright - bar], 1)


def test_a_clean_answer_must_be_right_alone_and_in_the_batch():
    x = np.array([0.1, 0.2, 0.45, 0.6], np.float32).reshape(4, 1)
    samples = Samples(x, np.array([0, 0, 1, 1]), np.arange(4))

    assert measure_clean(Relative(), samples).correct.tolist() == [True, True, False, True]
    assert measure_clean(Relative(0.0), samples).correct.tolist() == [True] * 4


def negate(graph, example_inputs):
    return lambda *args: [-output for output in graph(*args)]


def refuse(graph, example_inputs):
    raise RuntimeError("no compiler")


def test_the_compiled_form_decides_and_the_eager_one_is_attacked():
    net = network()
    module = make_subject("net", torch.compile(net, backend=negate), TERMS).module
    (compiled,) = judges(module)
    labels = net(X).argmin(1)
    samples = Samples(X.numpy(), labels.numpy(), np.arange(16))

    assert torch.equal(module(X), net(X))
    assert torch.allclose(compiled(X), -net(X))
    assert measure_clean(module, samples).correct.all()


@pytest.mark.parametrize("form", COMPILED)
def test_every_way_to_compile_is_seen(form):
    subject = load(form)

    assert subject.notes == ("torch.compile: it is attacked in its eager form, and judged by the compiled one",)
    assert torch.equal(subject.module(X), network()(X))


def test_a_compiler_that_fails_is_named_in_one_line():
    module = make_subject("net", torch.compile(network(), backend=refuse), TERMS).module

    with pytest.raises(ValueError, match=r"^torch.compile fails: .*no compiler; give it without torch.compile"):
        check_compiled(module, X)


@pytest.mark.parametrize("form", ["compile", "compiled-part"])
def test_weights_of_the_plain_network_fit_the_compiled_one(form):
    prefix = "network." if form == "compiled-part" else ""
    weights = {f"{prefix}{name}": 2 * tensor for name, tensor in network().state_dict().items()}
    module = make(network(), form)

    assert fit_weights(module, weights) == ()
    assert torch.equal(next(module.parameters()), 2 * next(network().parameters()))


@pytest.mark.parametrize("what", ["weights", "module"])
@pytest.mark.parametrize("form", ["dynamic", "static"])
def test_a_file_of_a_quantised_model_is_told_the_one_way_that_works(tmp_path, form, what):
    net, path = make(network(), form), tmp_path / "net.pt"
    torch.save(net if what == "module" else {"model": net.state_dict()}, path)

    with pytest.raises(
        ValueError, match=r"a function of yours that quantises the network .* --robust-model=FILE.py"
    ) as e:
        read_model(path, TERMS)
    assert "--robust-run-code" not in str(e.value)


def test_a_quantised_module_is_no_black_box_and_cannot_be_trained():
    with pytest.raises(ValueError, match="a quantised module is asked as it is; name it without blackbox:"):
        build_ask(make(network(), "static"), 10)
    samples = Samples(X.numpy(), np.zeros(16, np.int64), np.arange(16))
    with pytest.raises(ValueError, match="is quantised, and cannot be trained"):
        rehearse(load("dynamic").module, read_recipe("standard"), samples, LpThreat.parse("linf:0.1"))


def test_a_copy_that_cannot_be_made_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^search=bf16: there is no such copy: .*; leave it out$"):
        make_fast_copy(load("subclass").module, ["bf16"], X)


@torch.inference_mode()
def made_in_inference_mode():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10))


def test_tensors_of_inference_mode_are_copied_so_that_they_have_a_gradient():
    module = made_in_inference_mode()
    x = torch.rand(4, 1, 8, 8, requires_grad=True)
    subject = make_subject("net", module, Terms((1, 8, 8), 10, inputs=torch.rand(4, 1, 8, 8)))
    subject.module.eval()(x).sum().backward()

    assert x.grad is not None
    assert "inference mode" in subject.notes[0]
    assert subject.params == 64 * 10 + 30
