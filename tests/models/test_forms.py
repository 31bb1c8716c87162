"""Each form of a model, written by its own library: loaded it has the same answers and gradients."""

import pytest
import torch
from torch import nn

from robust.models.blackbox import is_black_box
from robust.models.format import Terms
from robust.models.load import load
from robust.models.spec import ModelSpec
from tests.models.forms import ANSWERS, CLASSES, GRADIENT, SHAPE, inputs, network
from tests.models.serving import serving


def loaded(folder, spec, arch=None, **more):
    return load(ModelSpec.parse(spec, folder), arch, folder, Terms(SHAPE, CLASSES, **more))


@pytest.mark.parametrize("form", GRADIENT + ANSWERS)
def test_a_form_answers_as_its_own_library_does(tmp_path, form):
    spec, arch, reference = form(tmp_path)
    module, x = loaded(tmp_path, spec, arch).module.eval(), inputs()

    with torch.no_grad():
        torch.testing.assert_close(module(x), reference(x), atol=1e-5, rtol=1e-5)
    assert is_black_box(module) == (form in ANSWERS)


@pytest.mark.parametrize("form", GRADIENT)
def test_a_form_has_the_gradient_of_its_own_library(tmp_path, form):
    spec, arch, reference = form(tmp_path)
    module, x = loaded(tmp_path, spec, arch).module.eval(), inputs().requires_grad_()

    found, wanted = (torch.autograd.grad(net(x)[:, 1].sum(), x)[0] for net in (module, reference))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert bool(found.any())


@pytest.mark.parametrize("form", GRADIENT + ANSWERS)
def test_a_form_differs_from_others_by_its_hash(tmp_path, form):
    """Hash a form twice, and once more with another normalisation."""
    spec, arch, _ = form(tmp_path)
    once, again = (loaded(tmp_path, spec, arch).weights for _ in range(2))

    assert once == again
    assert loaded(tmp_path, spec, arch, normalize="0.5/0.3").weights != once


KINDS = {
    "probabilities": lambda z: z.softmax(1),
    "scores": lambda z: z,
    "labels": lambda z: z.argmax(1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_endpoint_answers_as_what_is_behind_it(tmp_path, kind):
    net, x = network(), inputs()
    with torch.no_grad():
        logits = net(x)
    wanted = {
        "probabilities": logits.log_softmax(1),
        "scores": logits,
        "labels": nn.functional.one_hot(logits.argmax(1), CLASSES).float(),
    }[kind]

    def predict(x):
        with torch.no_grad():
            return {kind: KINDS[kind](net(torch.from_numpy(x))).tolist()}

    with serving(predict) as server:
        subject = loaded(tmp_path, f"{server.url}#batch=2")
        torch.testing.assert_close(subject.module(x), wanted, atol=1e-5, rtol=1e-5)

    assert server.sizes == [2, 2, 2, 2, 2, 2, 1]  # eight that tell it from others, and x
    assert bool(subject.notes) == (kind == "labels")
    assert (subject.params, is_black_box(subject.module)) == (0, True)
