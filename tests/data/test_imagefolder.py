"""imagefolder:DIR, compared with torchvision's ImageFolder."""

import numpy as np
import pytest
from PIL import Image

from robust.data.factory import open_data
from robust.torchvision_compat import import_torchvision

MODES = ["RGB", "L", "RGBA", "P"]


def save_image(path, size=(6, 4), mode="RGB", seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(seed).randint(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def folder(tmp_path):
    """Write DIR/test and DIR/train, with three classes and images of every mode."""
    for split, many in (("test", 4), ("train", 2)):
        for c, name in enumerate(("cat", "ant", "bee")):
            for i in range(many):
                save_image(tmp_path / "pets" / split / name / f"{i}.png", mode=MODES[i], seed=10 * c + i)
    return tmp_path


def read(folder, options="", split="test"):
    return open_data(f"imagefolder:pets{options}", folder).complete().load(split)


@pytest.mark.parametrize("split", ["test", "train"])
def test_images_and_labels_are_those_of_torchvision(folder, split):
    datasets, transforms = import_torchvision("torchvision.datasets"), import_torchvision("torchvision.transforms")
    theirs = datasets.ImageFolder(folder / "pets" / split, transforms.ToTensor())
    ours = read(folder, split=split)

    assert ours.y.tolist() == theirs.targets
    assert np.array_equal(ours.x, np.stack([x.numpy() for x, _ in theirs]))
    assert ours.x.shape[1:] == (3, 4, 6)


def test_a_folder_is_a_data_set_of_its_name_with_the_threat_of_photographs(folder):
    data = open_data("imagefolder:pets:size=5", folder)

    assert (data.name, data.threat, data.classes, data.shape) == ("pets", "linf:4/255", 3, (3, 5, 5))


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_folder_serves_for_testing(folder, name):
    (folder / "pets" / "test").rename(folder / "pets" / name)

    assert len(read(folder)) == 12


def test_classes_in_the_folder_itself_are_for_testing_only(folder):
    (folder / "pets" / "test").rename(folder / "flat")
    data = open_data("imagefolder:flat", folder).complete()

    assert len(data.load("test")) == 12
    with pytest.raises(ValueError, match="there is no train split: expected a folder"):
        data.load("train")


def test_size_and_channels_are_made_as_asked(folder):
    assert read(folder, ":size=5").x.shape == (12, 3, 5, 5)
    assert read(folder, ":size=5:channels=1").x.shape == (12, 1, 5, 5)


def test_a_wide_image_is_cut_at_its_centre(tmp_path):
    for name in "ab":
        (tmp_path / "pets" / name).mkdir(parents=True)
        wide = np.zeros((8, 24, 3), np.uint8)
        wide[:, 8:16] = 255
        Image.fromarray(wide).save(tmp_path / "pets" / name / "0.png")

    assert (read(tmp_path, ":size=8").x == 1).all()


def test_images_of_several_sizes_need_one_said(folder):
    save_image(folder / "pets" / "test" / "cat" / "9.png", size=(7, 7))

    with pytest.raises(ValueError, match=r"another size than the first \(6x4 and 7x7\); .*as :size=224"):
        read(folder)


def test_a_damaged_image_is_named_where_it_is_drawn(folder):
    (folder / "pets" / "test" / "ant" / "0.png").write_bytes(b"no image")

    with pytest.raises(ValueError, match=r"ant.0\.png is not a sound image"):
        read(folder)
    data = open_data("imagefolder:pets:size=5", folder).complete()
    lucky = next(seed for seed in range(99) if 0 not in data_rows(seed))
    assert len(data.load("test", 3, seed=lucky)) == 3


def data_rows(seed):
    from robust.sampling import draw_rows

    return draw_rows(12, 3, seed)


def test_what_is_no_image_and_what_is_hidden_is_left_out(folder):
    (folder / "pets" / "test" / "cat" / "notes.txt").write_text("cats")
    (folder / "pets" / "test" / ".cache").mkdir()

    assert len(read(folder)) == 12


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("imagefolder:gone", "no such folder"),
        ("imagefolder", "write imagefolder:DIR"),
        ("imagefolder:pets:size=0", "size must be at least 1"),
        ("imagefolder:pets:channels=2", "channels must be 1 or 3"),
        ("imagefolder:pets/test/cat", "expected a folder of images for each class"),
    ],
)
def test_what_is_wrong_with_a_spec_is_reported(folder, spec, message):
    with pytest.raises(ValueError, match=message):
        open_data(spec, folder)


def test_splits_of_different_classes_are_refused(folder):
    (folder / "pets" / "train" / "cat").rename(folder / "pets" / "train" / "dog")

    with pytest.raises(ValueError, match=r"different classes \(cat, dog\), so labels would mix"):
        read(folder, split="train")


def test_a_folder_without_a_test_split_is_reported(folder):
    (folder / "pets" / "test").rename(folder / "elsewhere")

    with pytest.raises(ValueError, match=r"there is no test split: expected a folder .*test or .*val"):
        open_data("imagefolder:pets", folder)
