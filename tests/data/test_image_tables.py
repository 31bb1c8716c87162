"""hf:DIR and parquet:FILE, in the forms that `datasets` and pyarrow write."""

import io
import json

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from robust.data.factory import open_data

FEATURES = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["ant", "bee", "cat"])})


def image(seed, size=(6, 4)):
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (size[1], size[0], 3)).astype(np.uint8))


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def theirs(n, seed=0, labels=(0, 1)):
    """Return a data set of `datasets` without a row of the last class."""
    rows = {"image": [image(seed + i) for i in range(n)], "label": [labels[i % len(labels)] for i in range(n)]}
    return datasets.Dataset.from_dict(rows, features=FEATURES)


def pixels(dataset):
    return np.stack([np.asarray(row["image"], np.float32).transpose(2, 0, 1) / np.float32(255) for row in dataset])


def table(images, labels=(0, 1), **columns):
    return pa.table({"image": pa.array(images, pa.binary()), "label": pa.array([*labels], pa.int64()), **columns})


def open_table(folder, spec):
    return open_data(spec, folder).complete()


def both(folder):
    return {"test": theirs(5), "train": theirs(7, seed=50)}


def save_to_disk(folder):
    datasets.DatasetDict(both(folder)).save_to_disk(folder, num_shards={"test": 2, "train": 3})


def as_on_the_hub(folder):
    (folder / "data").mkdir(parents=True)
    for split, whole in both(folder).items():
        for k in range(2):
            whole.shard(2, k, contiguous=True).to_parquet(folder / "data" / f"{split}-0000{k}-of-00002.parquet")


def as_the_hub_converts(folder):
    for split, whole in both(folder).items():
        (folder / split).mkdir(parents=True)
        whole.to_parquet(folder / split / "0000.parquet")


@pytest.mark.parametrize("write", [save_to_disk, as_on_the_hub, as_the_hub_converts])
def test_a_folder_of_hugging_face_holds_what_datasets_reads(tmp_path, write):
    write(tmp_path / "pets")
    data = open_table(tmp_path, "hf:pets")

    assert (data.name, data.classes, data.shape, data.threat) == ("pets", 3, (3, 4, 6), "linf:4/255")
    for split, whole in both(tmp_path).items():
        samples = data.load(split)
        assert np.array_equal(samples.x, pixels(whole))
        assert samples.y.tolist() == whole["label"][:]


def test_one_split_alone_is_for_testing(tmp_path):
    theirs(5).save_to_disk(tmp_path / "pets")
    theirs(5).to_parquet(tmp_path / "pets.parquet")

    for spec in ("hf:pets", "parquet:pets.parquet"):
        assert np.array_equal(open_table(tmp_path, spec).load("test").x, pixels(theirs(5)))
        with pytest.raises(ValueError, match=r"no train split|is one split"):
            open_table(tmp_path, spec).load("train")


@pytest.mark.parametrize("groups", [1, 3, 100])
def test_rows_of_parquet_are_read_in_any_order(tmp_path, groups):
    images = [encoded(image(i)) for i in range(20)]
    pq.write_table(table(images, [i % 2 for i in range(20)]), tmp_path / "a.parquet", row_group_size=groups)
    x, y = open_table(tmp_path, "parquet:a.parquet").read("test")

    for rows in ([19, 0, 7], [3, 3], [*range(20)]):
        expected = [np.asarray(image(i), np.float32).transpose(2, 0, 1) / np.float32(255) for i in rows]
        assert np.array_equal(x[np.array(rows)], expected)
    assert y.tolist() == [0, 1] * 10


def test_a_image_is_turned_as_datasets_turns_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    pq.write_table(table([encoded(image(0), "JPEG", exif=exif)] * 2), tmp_path / "a.parquet")

    assert open_table(tmp_path, "parquet:a.parquet").shape == (3, 6, 4)


def test_scaling_and_cutting_are_those_of_torchvision(tmp_path):
    from robust.torchvision_compat import import_torchvision

    transforms = import_torchvision("torchvision.transforms")
    images = [image(0, (90, 61)), image(1, (50, 77))]
    pq.write_table(table([encoded(each) for each in images]), tmp_path / "a.parquet")
    steps = [transforms.Resize(36), transforms.CenterCrop(32), transforms.ToTensor()]
    data = open_table(tmp_path, "parquet:a.parquet:size=32:resize=36")

    assert np.array_equal(data.load("test").x, [transforms.Compose(steps)(each).numpy() for each in images])
    assert data.transforms == (
        "turned as EXIF says",
        "RGB",
        "shorter side scaled to 36, bilinear",
        "32x32 cut at the centre",
        "divided by 255",
    )


def test_columns_are_named_where_it_is_not_clear_which(tmp_path):
    fine = pa.array([3, 1], pa.int32())
    pq.write_table(table([encoded(image(i)) for i in (0, 1)], fine=fine), tmp_path / "a.parquet")

    assert open_table(tmp_path, "parquet:a.parquet:label=fine").load("test").y.tolist() == [3, 1]
    with pytest.raises(ValueError, match=r"2 columns of whole numbers; name one with label=, of label, fine"):
        open_table(tmp_path, "parquet:a.parquet")
    with pytest.raises(ValueError, match=r"no column 'coarse'; name one with label=, of image, label, fine"):
        open_table(tmp_path, "parquet:a.parquet:label=coarse")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("hf:gone", "no such folder"),
        ("hf", "write hf:DIR"),
        ("hf:empty", "there is no test split in .*expected what save_to_disk writes, or test.parquet"),
        ("hf:configs", "is it one of plain_text in it"),
        ("parquet:gone.parquet", "no such file"),
        ("parquet", "write parquet:FILE"),
        ("parquet:a.parquet:channels=2", "channels must be 1 or 3"),
        ("parquet:a.parquet:resize=9", "resize is for what size is cut from"),
        ("parquet:a.parquet:size=9:resize=8", "at least size, got 8"),
        ("parquet:a.parquet:classes=1", "classes must be at least 2"),
        ("parquet:a.parquet:side=8", "no option 'side', did you mean 'size'"),
    ],
)
def test_what_is_wrong_with_a_spec_is_reported(tmp_path, spec, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "configs" / "plain_text").mkdir(parents=True)
    for path in ("a.parquet", "configs/plain_text/test-00000-of-00001.parquet"):
        pq.write_table(table([encoded(image(i)) for i in (0, 1)]), tmp_path / path)

    with pytest.raises(ValueError, match=message):
        open_table(tmp_path, spec)


def test_without_pyarrow_it_is_reported_what_to_install(tmp_path, monkeypatch):
    theirs(4).to_parquet(tmp_path / "a.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)

    with pytest.raises(ValueError, match=r"need pyarrow: pip install 'pytest-robust\[arrow\]'"):
        open_table(tmp_path, "parquet:a.parquet")


def write_state(folder, *names):
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))


@pytest.mark.parametrize("names", [["../../secret.arrow"], ["/etc/passwd"], [], [7], ["data.arrow\x1b[2J"]])
def test_a_state_that_names_files_elsewhere_is_refused(tmp_path, names):
    theirs(4).save_to_disk(tmp_path / "pets")
    (tmp_path / "secret.arrow").touch()
    write_state(tmp_path / "pets", *names)

    with pytest.raises(ValueError, match=r"does not name Arrow files beside it.*save the data set again") as error:
        open_table(tmp_path, "hf:pets")
    assert "\x1b" not in str(error.value)


def test_a_path_in_place_of_a_image_is_not_followed(tmp_path):
    image(0).save(tmp_path / "secret.png")
    rows = pa.array([{"bytes": None, "path": str(tmp_path / "secret.png")}] * 2)
    pq.write_table(pa.table({"image": rows, "label": [0, 1]}), tmp_path / "a.parquet")

    with pytest.raises(ValueError, match=r"row 0 of a\.parquet holds no image \(a path at most"):
        open_table(tmp_path, "parquet:a.parquet:image=image:size=4").load("test")
