"""Answers as logits: whatever the form, the logits are those of the network, and so are their gradients."""

import copy

import pytest
import torch
from torch import nn

from robust.models.ensemble import Ensemble
from robust.models.format import Terms
from robust.models.load import make_subject
from robust.models.output import UnclearError
from robust.models.output_form import OutputForm, read_output
from robust.models.weights import hash_weights
from tests.plugin.forms_of_answers import REFUSED, TEN, TWO, Formed

LOUD = 60.0  # logits so far apart that float32 rounds their probabilities to 0 and 1


def network(classes=10):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))


def terms(classes, output="", **more):
    return Terms((1, 8, 8), classes, output=output, inputs=torch.rand(16, 1, 8, 8), **more)


def margins(module, x):
    """Return each logit over the first one, and the gradient of the last at x: all that attacks depend on."""
    leaf = x.clone().requires_grad_()
    logits = module(leaf)
    margin = logits - logits[:, :1]
    (grad,) = torch.autograd.grad(margin[:, -1].sum(), leaf)
    return margin.detach(), grad


FORMS = [(10, form) for form in TEN.items()] + [(2, form) for form in TWO.items()]


@pytest.mark.parametrize(("classes", "form"), FORMS, ids=[f"{k}-{form[0]}" for k, form in FORMS])
@pytest.mark.parametrize("n", [1, 5])
def test_every_form_gives_the_logits_of_the_network(classes, form, n):
    net, x = network(classes), torch.rand(n, 1, 8, 8)
    subject = make_subject("net", Formed(net, form[1]), terms(classes))
    answers, expected = margins(copy.deepcopy(subject.module), x), margins(net, x)

    assert answers[0].shape == (n, classes)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(answers, expected, strict=True))
    assert OutputForm.parse(subject.output).kind


@pytest.mark.parametrize(
    "logarithm",
    [lambda p: (p + 1e-4).log(), lambda p: p.log().bfloat16().float()],
    ids=["smoothed", "half precision"],
)
def test_logarithms_of_probabilities_that_sum_to_one_as_good_as_are_told(logarithm):
    net, x = network(), torch.rand(5, 1, 8, 8)
    subject = make_subject("net", Formed(net, lambda z: logarithm(z.softmax(1))), terms(10))

    assert subject.output == "log-probability"
    assert subject.notes[0].startswith("its answers are log-probabilities")
    assert torch.allclose(margins(subject.module, x)[0], margins(net, x)[0], atol=0.05)


@pytest.mark.parametrize("form", ["softmax-function", "sigmoid-module"])
def test_the_last_step_is_undone_where_its_answers_are_rounded_to_0_and_1(form):
    net, x = network(), torch.rand(5, 1, 8, 8)
    net[1].weight.data.mul_(LOUD)
    module = make_subject("net", Formed(net, TEN[form]), terms(10)).module

    assert torch.allclose(margins(module, x)[1], margins(net, x)[1], rtol=1e-3)
    assert float(margins(net, x)[0].max()) > 20


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32_once(dtype):
    subject = make_subject("net", Formed(network(), lambda z: z.to(dtype)), terms(10))

    assert subject.module(torch.rand(2, 1, 8, 8)).dtype == torch.float32
    assert f"{str(dtype).removeprefix('torch.')}, become float32" in subject.notes[0]


def test_a_plain_model_is_left_alone():
    net = network()
    before = hash_weights(net)
    subject = make_subject("net", net, terms(10))

    assert "forward" not in vars(subject.module)
    assert (hash_weights(subject.module), subject.notes, subject.output) == (before, (), "logit")


def test_the_form_is_a_part_of_the_model():
    """Logits or probabilities of the same weights are two models."""
    hashes = {
        hash_weights(make_subject("net", Formed(network(2), lambda z: z[:, 1].sigmoid()), terms(2, output)).module)
        for output in ("", "probability", "logit")
    }

    assert len(hashes) == 2


def test_a_factory_may_return_the_same_module_twice():
    module = Formed(network(), TEN["tuple"])
    first = make_subject("net", module, terms(10)).module
    second = make_subject("net", module, terms(10)).module

    assert torch.equal(first(torch.ones(2, 1, 8, 8)), network()(torch.ones(2, 1, 8, 8)))
    assert first is second


def test_a_model_may_have_more_classes_where_only_labels_tell():
    assert make_subject("net", network(12), terms(10, declared=False)).classes == 12
    assert (
        make_subject("net", Formed(network(12), lambda z: (z, z[:, :5])), terms(10, declared=False)).output == "0:logit"
    )


def test_members_of_an_ensemble_answer_each_in_their_own_form():
    net, x = network(), torch.rand(3, 1, 8, 8)
    members = [make_subject("net", Formed(net, TEN[form]), terms(10)).module for form in ("tuple", "softmax-module")]

    assert torch.allclose(Ensemble(members)(x).softmax(1), net(x).softmax(1), atol=1e-6)


@pytest.mark.parametrize(
    ("form", "output", "message"),
    [
        ("two-tensors", "", "--robust-output=0 or --robust-output=1"),
        ("two-tensors", "2", "'2' is not there"),
        ("none-fits", "features", "'features' does not fit"),
        ("none-fits", "", "none of which is for 10 classes"),
    ],
)
def test_what_is_unclear_is_asked_for(form, output, message):
    with pytest.raises(UnclearError, match=message):
        make_subject("net", Formed(network(), REFUSED[form]), terms(10, output))


def test_logits_are_no_probabilities():
    with pytest.raises(UnclearError, match="probabilities are from 0 to 1"):
        make_subject("net", Formed(network(), lambda z: 9 * z), terms(10, "probability"))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("logit", "logit"), (" probability", "probability"), ("logits", "logits"), ("heads.1:logit", "heads.1:logit")],
)
def test_a_form_is_read(text, canonical):
    assert read_output(text) == canonical


@pytest.mark.parametrize("text", ["logits:chance", ":logit"])
def test_a_wrong_form_is_refused(text):
    with pytest.raises(ValueError, match="expected logit, probability, log-probability"):
        read_output(text)
