"""The vision transformer: its patches, its attention, and its limits."""

import pytest
import torch
from torch import nn

from robust.models.registry import UnfitError
from robust.models.zoo import vit
from tests.models.test_zoo import make


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(1, 1, 1), (8, 8, 1), (28, 28, 4), (32, 32, 4), (64, 64, 8), (8, 64, 8), (224, 224, 16), (512, 512, 16)],
)
def test_a_patch_is_about_an_eighth_of_the_image(height, width, size):
    assert vit.patch_size(height, width) == size


def test_a_vit_has_a_place_for_every_patch_and_the_class_token():
    assert make("vit", (3, 224, 224)).places.shape == (1, 197, 24)
    assert make("vit", (2, 30, 21)).places.shape == (1, 1 + 8 * 6, 24)
    assert make("vit", (3, 32, 32), patch=8).places.shape == (1, 17, 24)


def test_a_vit_has_a_second_derivative():
    module, x = make("vit", (1, 8, 8)), torch.rand(2, 1, 8, 8, requires_grad=True)
    (grad,) = torch.autograd.grad(module(x).square().sum(), x, create_graph=True)
    (curve,) = torch.autograd.grad(grad.square().sum(), x)

    assert (curve != 0).all()


def test_attention_is_that_of_torch():
    block, x = vit.Block(24, 3), torch.rand(2, 5, 24)
    theirs = nn.MultiheadAttention(24, 3, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": block.mix.weight,
            "in_proj_bias": block.mix.bias,
            "out_proj.weight": block.out.weight,
            "out_proj.bias": block.out.bias,
        }
    )

    torch.testing.assert_close(block.out(block._attend(x)), theirs(x, x, x)[0])


def test_heads_that_do_not_divide_the_width_are_reported():
    with pytest.raises(UnfitError, match=r"^width must be a multiple of heads, got 24 and 5$"):
        make("vit", (1, 8, 8), heads=5)
