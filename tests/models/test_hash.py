"""The hash of a module's weights: it depends on names, shapes, types and values alone."""

import pytest
import torch
from torch import nn

from robust.models.weights import hash_weights


class Many(nn.Module):
    """A module with parameters and buffers of many kinds."""

    def __init__(self):
        super().__init__()
        self.brief = nn.Parameter(torch.tensor([0.5, -1.0], dtype=torch.bfloat16))
        self.matrix = nn.Parameter(torch.arange(6.0).reshape(2, 3))
        self.register_buffer("count", torch.tensor(7))
        self.register_buffer("mask", torch.tensor([True, False]))
        self.register_buffer("waves", torch.tensor([1j, 2.0]))
        self.register_buffer("none", torch.zeros(0))


def test_equal_weights_have_equal_hashes():
    assert hash_weights(Many()) == hash_weights(Many())


def test_the_hash_is_the_same_in_every_version():
    module = nn.Linear(2, 1)
    nn.init.constant_(module.weight, 0.5)
    nn.init.constant_(module.bias, -1)

    assert hash_weights(module) == "6b54dd876db229fedb4ee8e0186fc05b9cbb480554f1977c2e94e40d861e91fb"


@pytest.mark.parametrize("name", ["brief", "matrix", "count", "mask", "waves"])
def test_the_hash_sees_every_parameter_and_buffer(name):
    module = Many()
    with torch.no_grad():
        last = module.state_dict()[name].reshape(-1)[-1:]
        last.copy_(last.logical_not() if name == "mask" else last + 1)

    assert hash_weights(module) != hash_weights(Many())


@pytest.mark.parametrize(
    "other",
    [
        {"b": torch.zeros(4)},
        {"a": torch.zeros(2, 2)},
        {"a": torch.zeros(4, dtype=torch.int32)},
        {"a": torch.zeros(4), "b": torch.zeros(0)},
        {"a": -torch.zeros(4)},
    ],
    ids=["name", "shape", "type", "number", "sign"],
)
def test_the_hash_sees_name_shape_and_type(other):
    def of(tensors):
        module = nn.Module()
        for name, tensor in tensors.items():
            module.register_buffer(name, tensor)
        return hash_weights(module)

    assert of(other) != of({"a": torch.zeros(4)})


def test_the_hash_does_not_see_order_layout_or_gradients():
    module, other = Many(), nn.Module()
    for name, tensor in reversed(module.state_dict().items()):
        other.register_buffer(name, tensor)
    other.matrix = module.matrix.detach().t().contiguous().t()
    module.matrix.grad = torch.ones(2, 3)

    assert not other.matrix.is_contiguous()
    assert hash_weights(module) == hash_weights(other)
