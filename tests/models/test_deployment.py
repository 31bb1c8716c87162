"""Modules as people export, share, prune or wrap them: each answers as the plain network, and leads a gradient."""

import pytest
import torch
from torch import nn

from robust.attacks.engine import eval_mode
from robust.models.factories import make_module
from robust.models.format import Terms
from robust.models.lazy import NOTE
from robust.models.load import make_subject
from robust.models.weights import hash_weights
from tests.plugin.forms_of_deployment import DEPLOYED, lazy

X = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
TERMS = Terms((1, 8, 8), 10, inputs=X)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def ask(module, x):
    """Return answers and gradients of one of them, as attacks ask."""
    with eval_mode(module, 0), torch.enable_grad():
        leaf = x.clone().requires_grad_()
        answers = module(leaf)
        (slope,) = torch.autograd.grad(answers[:, 3].sum(), leaf)
    return answers.detach().float(), slope


@pytest.mark.parametrize("form", DEPLOYED)
def test_it_is_loaded_and_answers_and_leads_a_gradient_as_the_plain_network_in_any_batch(form):
    torch.set_default_dtype(torch.float32)
    module = make_subject("net", make_module("net.py:make", lambda: DEPLOYED[form](network())), TERMS).module

    module.to("cpu").eval()
    assert torch.get_default_dtype() == torch.float32
    assert len(hash_weights(module)) == 64
    for n in (1, 3, 16):
        answers, slopes = ask(module, X[:n])
        expected = ask(network(), X[:n])
        assert torch.allclose(answers, expected[0], atol=1e-4)
        assert torch.allclose(slopes, expected[1], atol=1e-4)
    assert torch.get_default_dtype() == torch.float32


def test_lazy_layers_without_inputs_or_that_do_not_fit_are_one_line():
    with pytest.raises(ValueError, match=r"^it has lazy layers without shapes; show it a batch in its factory$"):
        make_subject("net", lazy(network()), Terms((1, 8, 8), 10))
    unfit = nn.Sequential(nn.LazyConv2d(3, 20), nn.Flatten(), nn.LazyLinear(10))
    with pytest.raises(ValueError, match=r"^its lazy layers cannot learn their shapes from samples \[1, 8, 8\]: "):
        make_subject("net", unfit, TERMS)
    assert make_subject("net", lazy(network()), TERMS).notes == (NOTE,)
