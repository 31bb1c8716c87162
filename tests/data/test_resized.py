"""Pictures before a Dataset's own resize: what is seen, that pictures go the Dataset's own way, and what is refused."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Subset

from robust.attacks.corruptions.corrupt import corrupt
from robust.attacks.spec import Spec
from robust.attacks.threats.threat import corrupt_before, read_threat
from robust.data.folds import Fold, select_fold
from robust.data.resized import find_resized
from robust.data.user_arrays import user_dataset
from robust.data.user_return import take_apart
from robust.torchvision_compat import import_torchvision
from robust.verification.corruptions import check_corrupted, show_corrupted

v1, v2 = (import_torchvision(f"torchvision.transforms{part}") for part in ("", ".v2"))
BOUNDS = (0.0, 1.0)


class Photographs(Dataset):
    """Six pictures of different sizes, of which the first two are the same."""

    def __init__(self, transform, channels=3):
        self.transform = transform
        self.channels = channels

    def __len__(self):
        return 6

    def picture(self, row):
        seed = max(row, 1)
        shape = (28 + seed, 33) if self.channels == 1 else (28, 33 + seed, 3)
        return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)

    def __getitem__(self, row):
        return self.transform(Image.fromarray(self.picture(row))), row % 2


CHAINS = {
    "images": v1.Compose([v1.Resize((40, 40)), v1.ToTensor()]),
    "floats": v1.Compose([v1.ToTensor(), v1.Resize((40, 40))]),
    "levels": torch.nn.Sequential(v2.PILToTensor(), v2.Resize((40, 40))),
    "nested": v2.Compose([v2.ToImage(), v2.Compose([v2.Resize((40, 40))]), v2.ToDtype(torch.float32, scale=True)]),
    "cropped": v1.Compose([v1.CenterCrop(28), v1.Resize(40), v1.ToTensor()]),
}


def read(data):
    """Return the test samples of what a user's function returns."""
    return user_dataset("data", Spec.parse("data"), lambda split, remarks: take_apart(data, split, remarks)).complete()


def remade(pictures, x, kinds):
    """Return inputs made of pictures that are corrupted, each in a way of its own."""
    return pictures.remake(x, [partial(corrupt, kind=kind, severity=3) for kind in kinds])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("chain", CHAINS)
def test_a_corrupted_picture_goes_the_way_of_the_dataset(chain, channels):
    photographs = Photographs(CHAINS[chain], channels)
    samples = read(photographs).load("test", 4, 0)
    pictures = samples.find_resized("corruption:3")
    kinds = ["fog", "gaussian-noise", "contrast", "spatter"]

    made = remade(pictures, samples.x[:], kinds)

    for row, kind, x in zip(samples.index, kinds, made, strict=True):
        cropped = Image.fromarray(photographs.picture(row))
        cropped = v1.CenterCrop(28)(cropped) if chain == "cropped" else cropped
        levels = np.asarray(cropped).reshape(*np.asarray(cropped).shape[:2], channels)
        image = Image.fromarray(corrupt(levels, kind, 3).squeeze())
        after = CHAINS[chain] if chain != "cropped" else v1.Compose(CHAINS[chain].transforms[1:])
        expected = after(image).float().numpy() / (255 if chain == "levels" else 1)
        np.testing.assert_allclose(x, expected, atol=1e-6)
    assert photographs.transform is CHAINS[chain]
    assert (samples.x[:] == read(photographs).load("test", 4, 0).x[:]).all()
    assert pictures.resize.startswith("Resize(40")
    assert len(pictures.sizes) == (1 if chain == "cropped" else 4)


def test_threats_verification_and_parts_of_the_samples_know_the_same_picture():
    samples = read(Photographs(CHAINS["images"])).load("test")
    threat = corrupt_before(read_threat("linf:0.1+corruption:3:held-out"), samples.find_resized("corruption:3"))
    x = torch.from_numpy(samples.x[:])
    corrupted, few = threat.parts[1].apply(x, "spatter"), samples.take(np.array([4, 1]))

    assert (corrupted[0] == corrupted[1]).all()  # of one picture, in two rows
    assert threat.admits(corrupted, x).all()
    shown = show_corrupted("corruption:3:spatter", BOUNDS, few.x, "spatter", few.find_resized("corruption:3"))
    assert (shown == corrupted[[4, 1]].numpy()).all()
    rows = check_corrupted("corruption:3:all", BOUNDS, shown, few.x, few.find_resized("corruption:3"))
    assert rows.all()
    assert not check_corrupted("corruption:3:all", BOUNDS, shown, few.x).any()
    assert not check_corrupted("corruption:3:after", BOUNDS, shown, few.x, few.pictures).any()
    assert not check_corrupted("corruption:2:spatter", BOUNDS, shown, few.x, few.pictures).any()


def test_the_word_after_and_other_threats_leave_the_pictures_alone():
    samples = read(Photographs(CHAINS["images"])).load("test")
    x = torch.from_numpy(samples.x[:])

    for text in ("corruption:3:after", "corruption:3:fog:after:seed=1", "linf:0.1", "linf:0.1+corruption:3:after"):
        assert samples.find_resized(text) is None
    after = corrupt_before(read_threat("corruption:3:fog:after"), samples.find_resized("corruption:3"))
    assert str(after) == "corruption:3:fog:after"
    assert (after.apply(x, "fog") == read_threat("corruption:3:fog").apply(x, "fog")).all()


def test_loaders_subsets_and_folds_find_their_pictures():
    photographs = Photographs(CHAINS["images"])
    whole = read(photographs).load("test")
    expected = remade(whole.find_resized("corruption:3"), whole.x[:], ["fog"] * 6)

    for data, rows in (
        (Subset(Subset(photographs, [5, 4, 3, 2]), [3, 1]), [2, 4]),
        (DataLoader(photographs, batch_size=2, shuffle=True), range(6)),
    ):
        samples = read(data).load("test")
        found = remade(samples.find_resized("corruption:3"), samples.x[:], ["fog"] * len(samples))
        assert (found == expected[[*rows]]).all()
    fold = select_fold(read({"train": photographs, "test": photographs}), Fold(1, 2)).load("test")
    found = remade(fold.find_resized("corruption:3"), fold.x[:], ["fog"] * len(fold))
    assert (found == expected[np.array([np.flatnonzero((whole.x == x).all((1, 2, 3)))[0] for x in fold.x])]).all()


class Twice(Photographs):
    """A Dataset that makes an input of two pictures."""

    def __getitem__(self, row):
        x, y = super().__getitem__(row)
        return (x + self.transform(Image.fromarray(self.picture(row)))) / 2, y


class Elsewhere(Photographs):
    """A Dataset whose transform is never called."""

    def __getitem__(self, row):
        return v1.ToTensor()(Image.fromarray(self.picture(row)).resize((40, 40))), row % 2


class Keeping(Photographs):
    """A Dataset that keeps the items that it made."""

    def __init__(self, transform):
        super().__init__(transform)
        self.kept = {}

    def __getitem__(self, row):
        return self.kept.setdefault(row, None) or self.kept.update({row: super().__getitem__(row)}) or self.kept[row]


class Shaped(Photographs):
    """A Dataset of pictures of one shape."""

    def __init__(self, *shape):
        super().__init__(v2.Compose([v2.ToImage(), v2.Resize((40, 40))]))
        self.shape = shape

    def __getitem__(self, row):
        return self.transform(np.full(self.shape, row, np.uint8)), row % 2


UNSEEN = {
    "tiny": Shaped(7, 9, 3),
    "four channels": Shaped(32, 32, 4),
    "kept": Keeping(CHAINS["images"]),
    "a function": Photographs(lambda image: CHAINS["images"](image)),
    "no resize": Photographs(v1.Compose([v1.CenterCrop(28), v1.ToTensor()])),
    "two pictures": Twice(CHAINS["images"]),
    "not called": Elsewhere(CHAINS["images"]),
    "normalised before": Photographs(v1.Compose([v1.ToTensor(), v1.Normalize([0.5] * 3, [0.2] * 3), v1.Resize(40)])),
    "sixteen bits": Photographs(v1.Compose([lambda image: image.convert("L").convert("I;16"), v1.Resize((40, 40))])),
}


@pytest.mark.parametrize("data", UNSEEN.values(), ids=UNSEEN)
def test_what_cannot_be_known_is_corrupted_as_the_dataset_gives_it(data):
    assert find_resized(data) is None


def test_an_input_that_is_none_of_the_data_is_refused_in_one_line():
    samples = read(Photographs(CHAINS["images"])).load("test")
    pictures = samples.find_resized("corruption:3")

    with pytest.raises(ValueError, match=r"an input is none of the data set's.*; give corruption:3:after .*$"):
        remade(pictures, samples.x[:1] + np.float32(0.001), ["fog"])


def test_a_picture_that_cannot_be_corrupted_is_named():
    class Late(Photographs):
        def __getitem__(self, row):
            image = Image.fromarray(self.picture(row))
            return self.transform(image if row < 4 else image.convert("CMYK")), row % 2

    samples = read(Late(v1.Compose([v1.Resize((40, 40)), lambda image: image.convert("RGB"), v1.ToTensor()])))
    samples = samples.load("test")
    with pytest.raises(ValueError, match=r"corrupting item 4 failed: .*mode CMYK is resized; convert it to L or RGB"):
        remade(samples.find_resized("corruption:3"), samples.x[:], ["fog"] * 6)
