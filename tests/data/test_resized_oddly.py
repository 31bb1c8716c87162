"""Pictures before a Dataset's own resize, where its transform or its pictures are odd."""

import numpy as np
import pytest
import torch
from torch.utils.data import Subset

from robust.attacks.threats.threat import corrupt_before, read_threat
from tests.data.test_resized import BOUNDS, CHAINS, Photographs, read, remade, v1, v2


class Inverted(v1.Compose):
    """A chain that does more than its steps."""

    def __call__(self, image):
        return 1 - super().__call__(image)


def test_a_chain_that_does_more_than_its_steps_is_not_taken_apart():
    samples = read(Photographs(Inverted([v1.Resize((40, 40)), v1.ToTensor()]))).load("test")

    assert samples.find_resized("corruption:3") is None


class Part(Subset):
    """Some items of a Dataset, with a transform of their own."""

    def __init__(self, dataset, indices, transform):
        super().__init__(dataset, indices)
        self.transform = transform

    def __getitem__(self, row):
        x, y = super().__getitem__(row)
        return self.transform(x), y

    def __getitems__(self, rows):
        return [self[row] for row in rows]


@pytest.mark.parametrize("inner", [None, v1.Resize((32, 32))])
def test_a_subset_with_a_transform_of_its_own_is_seen(inner):
    data = Part(Photographs(inner or (lambda image: image)), [4, 1], CHAINS["images"])
    samples = read(data).load("test")
    pictures = samples.find_resized("corruption:3")

    made = remade(pictures, samples.x[:], ["fog", "contrast"])

    assert pictures.sizes == {(28, 37), (28, 34)}
    assert made.shape == (2, 3, 40, 40)
    assert not np.array_equal(made, samples.x[:])


class Even(Photographs):
    """A Dataset of even pictures, on which no resize overshoots."""

    def picture(self, row):
        return np.full((32, 32, 3), 255 * (row % 2), np.uint8)


def test_what_overshoots_of_a_corrupted_picture_alone_stays_within_the_bounds():
    cubic = v2.Resize((40, 40), interpolation=v2.InterpolationMode.BICUBIC)
    samples = read(Even(v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), cubic]))).load("test")
    pictures = samples.find_resized("corruption:3")

    made = remade(pictures, samples.x[:], ["impulse-noise"] * 6)

    assert (made.min(), made.max()) == BOUNDS
    x = torch.from_numpy(samples.x[:])
    assert corrupt_before(read_threat("corruption:3"), pictures).admits(torch.from_numpy(made), x).all()


def test_a_picture_that_is_too_small_is_told_what_to_give():
    class Late(Photographs):
        def picture(self, row):
            return super().picture(row)[: 7 if row == 5 else 28]

    samples = read(Late(CHAINS["images"])).load("test")
    with pytest.raises(ValueError, match=r"item 5 failed: .*shape \[7, 38, 3\] .*; give corruption:3:after to corrupt"):
        remade(samples.find_resized("corruption:3"), samples.x[:], ["fog"] * 6)
