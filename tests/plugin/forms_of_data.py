"""Forms in which people have data: functions of a file as --robust-data takes it. All hold the digits' test split."""

from collections import namedtuple
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from robust.data.dataset import DATA, Dataset

N = 60
_digits = DATA.get("digits")
assert isinstance(_digits, Dataset)
_samples = _digits.load("test", N, 0)
X, Y = np.asarray(_samples.x), _samples.y
Batch = namedtuple("Batch", ["image", "label"])


class Items(TorchDataset[Any]):
    """A map-style data set; `form` makes an item of an input and a label."""

    def __init__(self, form: Any = lambda x, y: (torch.from_numpy(x), y)) -> None:
        self.form = form
        self.read: list[int] = []

    def __len__(self) -> int:
        return N

    def __getitem__(self, i: int) -> Any:
        self.read.append(i)
        return self.form(X[i], int(Y[i]))


class Stream(IterableDataset[Any]):
    """A data set without numbers."""

    def __iter__(self) -> Any:
        return ((torch.from_numpy(x), int(y)) for x, y in zip(X, Y, strict=True))


class Noisy(Items):
    """An augmentation that nobody switched off."""

    def __getitem__(self, i: int) -> Any:
        return (torch.from_numpy(X[i]) + 0.1 * torch.rand(1)).clamp(0, 1), int(Y[i])


def _collate(items: list[Any]) -> dict[str, Any]:
    return {"pixel_values": torch.stack([x for x, _ in items]), "labels": torch.tensor([y for _, y in items])}


def _stream() -> Any:
    yield from Stream()


# The same data, each with a word of the note that says how they were taken; "" for none.
TAKEN = {
    "arrays": (lambda: (X, Y), ""),
    "tensors": (lambda: (torch.from_numpy(X), torch.from_numpy(Y)), ""),
    "tensors-with-gradient": (lambda: (torch.from_numpy(X).requires_grad_(), torch.from_numpy(Y)), ""),
    "doubles": (lambda: (X.astype(np.float64), Y.astype(np.int16)), ""),
    "bfloat16": (lambda: (torch.from_numpy(X).bfloat16(), torch.from_numpy(Y)), ""),
    "lists": (lambda: (X.tolist(), Y.tolist()), ""),
    "list-of-tensors": (lambda: ([torch.from_numpy(x) for x in X], [torch.tensor(y) for y in Y]), ""),
    "named-tuple": (lambda: Batch(X, Y), ""),
    "mapping": (lambda: {"image": X, "label": Y}, "'image' and labels 'label'"),
    "mapping-of-splits": (lambda: {"train": (X, Y), "test": (X, Y)}, ""),
    "tensor-dataset": (lambda: TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), ""),
    "items": (lambda: Items(), ""),
    "subset": (lambda: Subset(Items(), range(N)), ""),
    "items-of-dicts": (lambda: Items(lambda x, y: {"image": x, "label": y}), "'image' and labels 'label'"),
    "items-of-other-names": (lambda: Items(lambda x, y: {"scan": x, "digit": y}), "'scan' and labels 'digit'"),
    "items-of-three": (lambda: Items(lambda x, y: (x, y, {"hospital": 3})), "first two"),
    "list-of-items": (lambda: [(torch.from_numpy(x), int(y)) for x, y in zip(X, Y, strict=True)], ""),
    "loader": (lambda: DataLoader(Items(), batch_size=16), "order of its data set"),
    "loader-that-shuffles": (lambda: DataLoader(Items(), batch_size=7, shuffle=True), "order of its data set"),
    "loader-with-collate": (lambda: DataLoader(Items(), collate_fn=_collate), "'pixel_values' and labels 'labels'"),
    "stream": (lambda: Stream(), ""),
    "loader-of-stream": (lambda: DataLoader(Stream(), batch_size=16), ""),
    "pairs-of-train-and-test": (lambda: ((X[:9], Y[:9]), (X, Y)), "the second to test"),
    "list-of-items-with-names": (lambda: [(x, int(y), "a.png") for x, y in zip(X, Y, strict=True)], "first two"),
    "generator": (lambda: _stream(), ""),
    "labels-in-a-column": (lambda: (X, Y[:, None]), "[60, 1] are taken as [60]"),
    "labels-float": (lambda: (X, Y.astype(np.float32)), "float32 of shape [60], are whole numbers"),
    "labels-float-in-a-column": (lambda: (X, Y.astype(float)[:, None]), "are whole numbers"),
    "labels-one-hot": (lambda: (X, np.eye(10)[Y]), "one-hot labels"),
    "labels-one-hot-tensor": (lambda: (X, torch.nn.functional.one_hot(torch.from_numpy(Y), 10)), "one-hot labels"),
    "labels-series": (lambda: (X, pd.Series(Y)), ""),
    "channels-last": (lambda: (np.ascontiguousarray(X.transpose(0, 2, 3, 1)), Y), "[8, 8, 1] are turned to [1, 8, 8]"),
    "beyond-by-rounding": (lambda: (np.where(X == 1, np.float32(1.0000005), X), Y), "are clamped"),
}

# Arrays in 17 grey levels cannot be pixels of 8 bits: these are the nearest, so other data.
PIXELS = {
    "uint8": lambda: (np.round(255 * X).astype(np.uint8), Y),
    "images": lambda: ([Image.fromarray(p) for p in np.round(255 * X[:, 0]).astype(np.uint8)], Y),
    "items-of-images": lambda: Items(lambda x, y: (Image.fromarray(np.round(255 * x[0]).astype(np.uint8)), y)),
    "items-of-uint8-last": lambda: Items(lambda x, y: (np.round(255 * x[0, ..., None]).astype(np.uint8), y)),
}

# What is refused, with what its line must say.
REFUSED = {
    "noisy": (lambda: Noisy(), "differs when it is read again"),
    "zero-as-ten": (lambda: (X, np.where(Y == 0, 10, Y)), "if 10 is the class 0, give y % 10"),
    "missing-values": (lambda: (np.where(X > 0.9, np.nan, X), Y), "fill in what is missing"),
    "texts": (lambda: (X, [str(y) for y in Y]), "number the classes as the model does"),
    "regression": (lambda: (X, Y + 0.5), "expected (n,) of whole numbers"),
    "counts": (lambda: (X, np.full((N, 10), 2)), "within:T for values, labels for several labels a sample"),
    "soft-labels": (lambda: (X, np.full((N, 10), 0.1)), "expected (n,) of whole numbers"),
    "one-hot-of-five": (lambda: (X, np.eye(5)[Y % 5]), "one-hot, of 5 classes, and the model answers with 10"),
    "from-one": (lambda: (X, Y + 1), ":first=1"),
    "negative": (lambda: (X, Y - 1), ":first=-1"),
    "more-classes": (lambda: (X, Y + 5), "labels go up to 14"),
    "two-inputs": (lambda: Items(lambda x, y: (x, x, y)), "say what may be done to which, as 0=linf:8/255"),
    "no-label": (lambda: Items(lambda x, y: x), "expected (input, label)"),
    "unclear-names": (lambda: Items(lambda x, y: {"a": x, "b": x, "c": y}), "an input as 'image' or 'x'"),
    "two-sets": (lambda: (Items(), Items()), "return the one of the split"),
    "other-sizes": (lambda: Items(lambda x, y: (x[:, : 4 + y % 2], y)), "expected one shape"),
    "item-fails": (lambda: Items(lambda x, y: 1 / 0), "reading item 0 failed: ZeroDivisionError"),
    "table-of-texts": (lambda: (pd.DataFrame({"a": ["x"] * N, "b": range(N)}), Y), "not of numbers (a)"),
    "nothing": (lambda: None, "returned NoneType"),
    "overshoot": (lambda: (X * 1.02, Y), "resampling overshoots"),
    "normalised": (lambda: ((X - 0.5) / 0.25, Y), "--robust-normalize"),
    "of-255": (lambda: (X * 255, Y), "divide by 255"),
}
