"""Answers that are maps: whatever their form, they become logits (n, classes, height, width)."""

import pytest
import torch
from torch import nn

from robust.models.ensemble import Ensemble
from robust.models.format import Terms
from robust.models.load import make_subject

X = torch.rand(6, 3, 8, 10, generator=torch.Generator().manual_seed(0))


class Formed(nn.Module):
    """A convolution to so many classes, whose answer `form` changes."""

    def __init__(self, classes, form):
        super().__init__()
        torch.manual_seed(0)
        self.net, self.form = nn.Conv2d(3, classes, 3, padding=1), form

    def forward(self, x):
        return self.form(self.net(x))


def load(classes, form, module_classes=None, **terms):
    size = {"labels": "map", "map_size": (8, 10)}
    return make_subject(
        "net", Formed(module_classes or classes, form), Terms((3, 8, 10), classes, inputs=X, **size, **terms)
    )


SEVERAL = {
    "logits": lambda z: z,
    "a dictionary of torchvision": lambda z: {"aux": -z, "out": z},
    "logits of transformers": lambda z: {"logits": z, "hidden": z[:, :1]},
    "a tuple": lambda z: (z, z[:, :, ::2, ::2]),
    "probabilities": lambda z: z.softmax(1),
    "their logarithms": lambda z: z.log_softmax(1),
    "half precision": lambda z: z.bfloat16(),
}


@pytest.mark.parametrize("form", SEVERAL)
def test_maps_of_several_classes_become_logits(form):
    module = load(4, SEVERAL[form]).module
    plain = Formed(4, lambda z: z).eval()(X)
    exact = {"atol": 2e-2, "rtol": 2e-2} if form == "half precision" else {"atol": 1e-5, "rtol": 1e-5}

    answer = module.eval()(X)

    assert answer.shape == (6, 4, 8, 10)
    torch.testing.assert_close(answer - answer[:, :1], plain - plain[:, :1], **exact)


@pytest.mark.parametrize("form", [lambda z: z, lambda z: z[:, 0], lambda z: z.sigmoid(), lambda z: z[:, 0].sigmoid()])
def test_one_number_a_pixel_is_for_two_classes(form):
    module = load(2, form, module_classes=1).module
    z = Formed(1, lambda z: z).eval()(X)[:, 0]

    answer = module.eval()(X)

    assert answer.shape == (6, 2, 8, 10)
    torch.testing.assert_close(answer[:, 1] - answer[:, 0], z, atol=1e-5, rtol=1e-5)


def test_a_model_may_have_more_classes_than_the_labels_show():
    assert load(4, lambda z: z, module_classes=7, declared=False).columns == 7


def test_an_ensemble_of_segmenters_averages_the_probabilities_of_each_pixel():
    members = [Formed(4, lambda z: z), Formed(4, lambda z: 3 * z)]
    mean = torch.stack([member(X).softmax(1) for member in members]).mean(0)

    torch.testing.assert_close(Ensemble(members, "map")(X).softmax(1), mean)
