"""--robust-normalize: its reading, its part in a module, and its part in the hash of the weights."""

import copy
import re

import pytest
import torch
from torch import nn

from robust.models.normalize import add_normalization, read_normalize
from robust.models.weights import hash_weights


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("0.5/0.25", "0.5/0.25"),
        (".50,0.4,0.30/1,2,3e-1", "0.5,0.4,0.3/1,2,0.3"),
        ("imagenet", "0.485,0.456,0.406/0.229,0.224,0.225"),
        ("cifar10", "0.4914,0.4822,0.4465/0.247,0.2435,0.2616"),
        ("none", "none"),
        ("255", "0/255"),
        ("65535", "0/65535"),
        ("0.485,0.456,0.406/0.229,0.224,0.225", "0.485,0.456,0.406/0.229,0.224,0.225"),
    ],
)
def test_a_word_is_read(text, read):
    assert read_normalize(text) == read
    assert read_normalize(read) == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("imagnet", "unknown normalisation 'imagnet', did you mean 'imagenet'?"),
        ("1", "unknown normalisation '1'"),
        ("127.5", "or 255 to divide by 255"),
        ("0.5", "write MEAN/STD, as 0.5/0.25 or 0.485,0.456,0.406/0.229,0.224,0.225"),
        ("0.5/x", "'0.5/x' is not of numbers"),
        ("1/2/3", "'1/2/3' is not of numbers"),
        ("0.5,0.5/0.5", "there are 2 means and 1 deviations"),
        ("0.5/0", "deviations above 0, got 0.5/0"),
        ("nan/1", "means must be finite"),
        ("0/inf", "means must be finite"),
    ],
)
def test_a_wrong_text_is_one_line(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_normalize(text)


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 4, 4), (4, 4), (5,)])
def test_a_number_goes_with_every_shape(shape):
    x = torch.rand(2, *shape)

    torch.testing.assert_close(add_normalization(nn.Identity(), "0.5/0.25")(x), (x - 0.5) / 0.25)


@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 2, 4, 4)])
def test_three_numbers_go_with_three_channels(shape):
    x = torch.rand(2, *shape)
    found = add_normalization(nn.Identity(), "0.1,0.2,0.3/1,2,4")(x)

    for channel, (mean, std) in enumerate([(0.1, 1), (0.2, 2), (0.3, 4)]):
        torch.testing.assert_close(found[:, channel], (x[:, channel] - mean) / std)


@pytest.mark.parametrize(("shape", "channels"), [((1, 4, 4), 1), ((4, 3, 3), 4), ((3, 3), 1), ((3,), 1)])
def test_three_numbers_go_with_nothing_else(shape, channels):
    module = add_normalization(nn.Identity(), read_normalize("imagenet"))
    with pytest.raises(ValueError, match=f"is for 3 channels, and they have {channels}"):
        module(torch.rand(2, *shape))


def test_it_is_reported_by_the_hash_and_not_by_the_state_dict():
    plain, seen = nn.Linear(3, 2), add_normalization(nn.Linear(3, 2), "0.5/0.25")
    seen.load_state_dict(plain.state_dict())  # files of weights fit as before
    other = add_normalization(copy.deepcopy(plain), "0.5/0.3")

    assert len({hash_weights(net) for net in (plain, seen, other)}) == 3


@pytest.mark.parametrize("text", [None, "none"])
def test_none_changes_nothing(text):
    module = nn.Linear(3, 2)
    before = hash_weights(module)

    assert hash_weights(add_normalization(module, text)) == before


def test_a_module_that_is_given_twice_is_normalised_once():
    module, x = nn.Identity(), torch.rand(2, 3)
    add_normalization(add_normalization(module, "0.5/0.25"), "0.5/0.25")

    torch.testing.assert_close(module(x), (x - 0.5) / 0.25)


def test_a_copy_is_normalised_with_its_own_buffers():
    module = add_normalization(nn.Linear(3, 2), "0.5/0.25")
    copied = copy.deepcopy(module).double()

    assert copied(torch.rand(2, 3, dtype=torch.float64)).dtype == torch.float64
    assert module.robust_mean.dtype == torch.float32
