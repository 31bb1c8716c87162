"""Maps of classes as data: the forms that are taken, and what is refused in one line."""

import numpy as np
import pytest
from PIL import Image

from robust.data.items import Items
from robust.data.labels import to_labels
from robust.data.maps import advise_ignored
from robust.data.remarks import Remarks
from robust.data.sets.digit_maps import read
from robust.data.sets.digits import read as read_digits
from robust.data.user_return import take_apart

MAPS = np.random.default_rng(0).integers(0, 3, (5, 6, 7))
ONE_HOT = np.moveaxis(np.eye(3, dtype="uint8")[MAPS], -1, 1)


@pytest.mark.parametrize(
    "labels",
    [MAPS, MAPS.astype("uint8"), MAPS.astype("float32"), MAPS[:, None], ONE_HOT, [*MAPS]],
    ids=["int64", "uint8", "whole floats", "a channel", "one-hot", "a list"],
)
def test_a_map_is_taken_in_any_of_these_forms(labels):
    found = to_labels(labels, kind="map")

    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, MAPS)


def test_classes_may_count_from_one_and_what_is_below_does_not_count():
    np.testing.assert_array_equal(to_labels(MAPS, first=1, kind="map"), MAPS - 1)


@pytest.mark.parametrize("labels", [MAPS[0, 0], MAPS[0], MAPS + 0.5, np.zeros((2, 3, 4, 5)), np.zeros((0, 3, 4), int)])
def test_what_is_no_map_is_refused(labels):
    with pytest.raises(ValueError, match=r"^the labels are .*, expected maps of classes, \(n, height, width\)"):
        to_labels(labels, kind="map")


def test_maps_without_a_criterion_are_told_which_there_is():
    with pytest.raises(
        ValueError, match=r"if they are maps of classes, say how many .*--robust-criterion=pixels:0\.9$"
    ):
        to_labels(MAPS, kind=None)


def test_the_numbers_of_a_palette_are_the_classes_and_no_colours():
    image = Image.fromarray(MAPS[0].astype("uint8"), "L").convert("P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    items = Items(lambda k: {"image": np.zeros((3, 6, 7), "float32"), "mask": image}, 2, Remarks())

    np.testing.assert_array_equal(items.read_labels(np.arange(2))[1], np.asarray(image))


def test_a_list_of_images_with_their_maps_is_a_list_of_items():
    pairs = [(np.zeros((3, 6, 7), "float32"), each) for each in MAPS]
    inputs, labels = take_apart(pairs, "test", Remarks())

    assert inputs is labels
    np.testing.assert_array_equal(labels.read_labels(np.arange(5)), MAPS)


def test_the_advice_on_a_label_too_many_names_it():
    assert "ignore=255" in advise_ignored(0, 255, 21)
    assert "y // 255" in advise_ignored(0, 255, 2)


@pytest.mark.parametrize(("split", "n"), [("test", 300), ("train", 1000)])
def test_digit_maps_are_scans_of_their_split_and_their_ink_is_the_label(split, n):
    (x, y), (scans, digits) = read(split), read_digits(split)

    assert (x.shape, y.shape) == ((n, 1, 24, 24), (n, 24, 24))
    assert 0.6 < (y == 0).mean() < 0.8
    assert ((x[:, 0] >= 0.4) == (y > 0)).all()
    known = {scan.tobytes(): digit for scan, digit in zip(scans[:, 0], digits, strict=True)}
    cells = x[:20].reshape(20, 3, 8, 3, 8).swapaxes(2, 3).reshape(-1, 8, 8)
    maps = y[:20].reshape(20, 3, 8, 3, 8).swapaxes(2, 3).reshape(-1, 8, 8)
    for cell, labels in zip(cells, maps, strict=True):
        assert not cell.any() or labels.max() == 1 + known[np.ascontiguousarray(cell).tobytes()]
