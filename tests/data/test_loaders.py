"""Torch's DataLoader as data: its own collate_fn makes the items, whether it makes batches of them or not."""

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, SequentialSampler

from robust.data.remarks import Remarks
from robust.data.user_return import take_apart

X = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 2, 2)
Y = np.array([0, 1, 2, 0, 1, 2])


class Images(Dataset):
    def __len__(self):
        return len(X)

    def __getitem__(self, row):
        return X[row], int(Y[row])


def read(loader):
    """Return (inputs, labels, the number of items) as the door takes them."""
    items, _ = take_apart(loader, "test", Remarks())
    rows = np.arange(len(items))
    return items.read_rows(rows), items.read_labels(rows), len(items)


def invert_one(item):
    return {"image": 1 - item[0], "label": item[1] + 10}


def invert(items):
    return torch.stack([torch.from_numpy(1 - x) for x, _ in items]), torch.tensor([y + 10 for _, y in items])


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(Images(), batch_size=None, collate_fn=invert_one),
        DataLoader(Images(), batch_size=None, shuffle=True, collate_fn=invert_one),
        DataLoader(Images(), batch_size=4, collate_fn=invert),
        DataLoader(Images(), batch_sampler=BatchSampler(SequentialSampler(Images()), 2, False), collate_fn=invert),
    ],
    ids=["no batches", "no batches, shuffled", "batches", "a batch sampler"],
)
def test_its_own_collate_fn_makes_the_items(loader):
    x, y, n = read(loader)

    assert n == 6
    assert np.array_equal(x, 1 - X)
    assert np.array_equal(y, Y + 10)


@pytest.mark.parametrize(
    "options", [{"batch_size": None}, {"batch_size": 4}, {"batch_sampler": [[4], [0, 1]]}], ids=str
)
def test_without_one_items_are_as_the_data_set_gives_them(options):
    rows = [0, 1, 4] if "batch_sampler" in options else range(6)
    x, y, _ = read(DataLoader(Images(), **options))

    assert np.array_equal(x, X[rows])
    assert np.array_equal(y, Y[rows])


def test_a_sampler_of_batches_is_one_line():
    sampler = BatchSampler(SequentialSampler(Images()), 2, False)

    with pytest.raises(ValueError, match=r"draws are no row numbers; give one of batches as batch_sampler, or return"):
        read(DataLoader(Images(), batch_size=None, sampler=sampler))
