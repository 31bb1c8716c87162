"""Weights into a module: those that fit are loaded, and those that do not are named."""

import pytest
import torch
from torch import nn

from robust.models.checkpoint import fit_weights, read_weights
from tests.models.test_checkpoint import FORMATS


@pytest.mark.parametrize("write", FORMATS)
def test_weights_that_fit_are_loaded(file, write):
    giver, taker = (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)) for _ in range(2))
    giver[1].num_batches_tracked += 5

    fit_weights(taker, read_weights(file(write(giver.state_dict()))))

    for name, tensor in giver.state_dict().items():
        assert torch.equal(taker.state_dict()[name], tensor), name


def test_lazy_layers_take_the_shapes_of_the_file():
    giver, taker = (nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()) for _ in range(2))
    x = torch.rand(4, 2)
    giver(x)

    fit_weights(taker, giver.state_dict())

    assert torch.equal(taker.eval()(x), giver.eval()(x))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": None}, "1 missing (bias)"),
        ({"a": torch.ones(1)}, "1 unexpected (a)"),
        ({"a": torch.ones(1), "b": torch.ones(1), "c": torch.ones(1)}, "3 unexpected (a, b, ...)"),
        ({"weight": torch.ones(3, 2)}, "1 of another shape (weight [3, 2] in the file, [2, 3] in the model)"),
        ({"bias": torch.ones(())}, "1 of another shape (bias [] in the file, [2] in the model)"),
        (
            {"bias": None, "head.bias": torch.ones(2), "weight": torch.ones(5, 3)},
            "1 missing (bias); 1 unexpected (head.bias); "
            "1 of another shape (weight [5, 3] in the file, [2, 3] in the model)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_reported_by_name_and_number(change, message):
    module = nn.Linear(3, 2)
    offered = {name: tensor for name, tensor in {**module.state_dict(), **change}.items() if tensor is not None}

    with pytest.raises(ValueError, match=r"^weights do not fit: ") as error:
        fit_weights(module, offered)

    assert str(error.value) == f"weights do not fit: {message}"


def test_weights_that_do_not_fit_change_nothing():
    module = nn.Linear(3, 2)
    before = module.weight.clone()

    with pytest.raises(ValueError, match="1 missing"):
        fit_weights(module, {"weight": torch.ones(2, 3)})

    assert torch.equal(module.weight, before)
