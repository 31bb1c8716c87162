"""hf:DIR and parquet:FILE, as `datasets` and pyarrow write them."""

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
    """A data set of `datasets` in which no row is of the last class."""
    rows = {"image": [image(seed + i) for i in range(n)], "label": [labels[i % len(labels)] for i in range(n)]}
    return datasets.Dataset.from_dict(rows, features=FEATURES)


def pixels(dataset):
    return np.stack([np.asarray(row["image"], np.float32).transpose(2, 0, 1) / np.float32(255) for row in dataset])


def table(images, labels=(0, 1), **columns):
    return pa.table({"image": pa.array(images, pa.binary()), "label": pa.array([*labels], pa.int64()), **columns})


def opened(folder, word):
    return open_data(word, folder).complete()


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
    data = opened(tmp_path, "hf:pets")

    assert (data.name, data.classes, data.shape, data.threat) == ("pets", 3, (3, 4, 6), "linf:4/255")
    for split, whole in both(tmp_path).items():
        samples = data.load(split)
        assert np.array_equal(samples.x, pixels(whole))
        assert samples.y.tolist() == whole["label"][:]


def test_one_split_alone_is_for_testing(tmp_path):
    theirs(5).save_to_disk(tmp_path / "pets")
    theirs(5).to_parquet(tmp_path / "pets.parquet")

    for word in ("hf:pets", "parquet:pets.parquet"):
        assert np.array_equal(opened(tmp_path, word).load("test").x, pixels(theirs(5)))
        with pytest.raises(ValueError, match=r"no train split|is one split"):
            opened(tmp_path, word).load("train")


@pytest.mark.parametrize("groups", [1, 3, 100])
def test_rows_of_parquet_are_read_in_any_order(tmp_path, groups):
    images = [encoded(image(i)) for i in range(20)]
    pq.write_table(table(images, [i % 2 for i in range(20)]), tmp_path / "a.parquet", row_group_size=groups)
    x, y = opened(tmp_path, "parquet:a.parquet").read("test")

    for rows in ([19, 0, 7], [3, 3], [*range(20)]):
        expected = [np.asarray(image(i), np.float32).transpose(2, 0, 1) / np.float32(255) for i in rows]
        assert np.array_equal(x[np.array(rows)], expected)
    assert y.tolist() == [0, 1] * 10


def test_a_image_is_turned_as_datasets_turns_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    pq.write_table(table([encoded(image(0), "JPEG", exif=exif)] * 2), tmp_path / "a.parquet")

    assert opened(tmp_path, "parquet:a.parquet").shape == (3, 6, 4)


def test_scaling_and_cutting_are_those_of_torchvision(tmp_path):
    from robust.torchvision_compat import import_torchvision

    transforms = import_torchvision("torchvision.transforms")
    images = [image(0, (90, 61)), image(1, (50, 77))]
    pq.write_table(table([encoded(each) for each in images]), tmp_path / "a.parquet")
    steps = [transforms.Resize(36), transforms.CenterCrop(32), transforms.ToTensor()]
    data = opened(tmp_path, "parquet:a.parquet:size=32:resize=36")

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

    assert opened(tmp_path, "parquet:a.parquet:label=fine").load("test").y.tolist() == [3, 1]
    with pytest.raises(ValueError, match=r"2 columns of whole numbers; name one with label=, of label, fine"):
        opened(tmp_path, "parquet:a.parquet")
    with pytest.raises(ValueError, match=r"no column 'coarse'; name one with label=, of image, label, fine"):
        opened(tmp_path, "parquet:a.parquet:label=coarse")


@pytest.mark.parametrize(
    ("word", "told"),
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
def test_what_is_wrong_with_a_word_is_told(tmp_path, word, told):
    (tmp_path / "empty").mkdir()
    (tmp_path / "configs" / "plain_text").mkdir(parents=True)
    for path in ("a.parquet", "configs/plain_text/test-00000-of-00001.parquet"):
        pq.write_table(table([encoded(image(i)) for i in (0, 1)]), tmp_path / path)

    with pytest.raises(ValueError, match=told):
        opened(tmp_path, word)


def test_without_pyarrow_it_is_told_what_to_install(tmp_path, monkeypatch):
    theirs(4).to_parquet(tmp_path / "a.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)

    with pytest.raises(ValueError, match=r"need pyarrow: pip install 'pytest-robust\[arrow\]'"):
        opened(tmp_path, "parquet:a.parquet")


def state(folder, *names):
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))


@pytest.mark.parametrize("names", [["../../secret.arrow"], ["/etc/passwd"], [], [7], ["data.arrow\x1b[2J"]])
def test_a_state_that_names_files_elsewhere_is_refused(tmp_path, names):
    theirs(4).save_to_disk(tmp_path / "pets")
    (tmp_path / "secret.arrow").touch()
    state(tmp_path / "pets", *names)

    with pytest.raises(ValueError, match=r"does not name Arrow files beside it.*save the data set anew") as error:
        opened(tmp_path, "hf:pets")
    assert "\x1b" not in str(error.value)


def test_a_path_in_place_of_a_image_is_not_followed(tmp_path):
    image(0).save(tmp_path / "secret.png")
    rows = pa.array([{"bytes": None, "path": str(tmp_path / "secret.png")}] * 2)
    pq.write_table(pa.table({"image": rows, "label": [0, 1]}), tmp_path / "a.parquet")

    with pytest.raises(ValueError, match=r"row 0 of a\.parquet holds no image \(a path at most"):
        opened(tmp_path, "parquet:a.parquet:image=image:size=4").load("test")


def stream(folder, batches):
    """A folder as save_to_disk makes it, of these record batches."""
    folder.mkdir()
    state(folder, "data.arrow")
    with pa.OSFile(str(folder / "data.arrow"), "wb") as file, pa.ipc.new_stream(file, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return folder / "data.arrow"


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
@pytest.mark.parametrize("damage", ["cut", "bent", "emptied", "swapped"])
def test_a_damaged_file_is_told_in_one_line(tmp_path, kind, damage):
    rows = table([encoded(image(i)) for i in range(20)], [i % 2 for i in range(20)])
    if kind == "arrow":
        path, word = stream(tmp_path / "a", rows.to_batches()), "hf:a"
    else:
        path, word = tmp_path / "a.parquet", "parquet:a.parquet"
        pq.write_table(rows, path)
    content = path.read_bytes()
    middle = len(content) // 2
    bent = content[:40] + bytes(byte ^ 255 for byte in content[40:200]) + content[200:]
    changed = {"cut": content[:middle], "bent": bent, "emptied": b"", "swapped": b"PAR1" + content[::-1]}
    path.write_bytes(changed[damage])

    with pytest.raises(ValueError, match=r"is not a sound (file of Arrow or parquet|image)") as error:
        opened(tmp_path, word).load("test")
    assert "\n" not in str(error.value)


def test_offsets_that_point_elsewhere_in_memory_are_refused(tmp_path):
    path = stream(tmp_path / "a", table([b"x" * 4, b"y" * 4]).to_batches())
    sound, wild = (np.array([0, middle, 8], np.int32).tobytes() for middle in (4, 2**30))
    assert path.read_bytes().count(sound) == 1
    path.write_bytes(path.read_bytes().replace(sound, wild))

    with pytest.raises(ValueError, match="is not a sound file of Arrow"):
        opened(tmp_path, "hf:a")


def test_a_file_that_claims_or_unpacks_to_more_than_it_can_hold_is_refused(tmp_path):
    many = pa.array(np.zeros(10**6, np.int64))  # run lengths: a few bytes
    pq.write_table(pa.table({"image": pa.array([b""]).take(many), "label": many}), tmp_path / "rows.parquet")
    zeros = [bytes(2**25), bytes(2**25)]
    pq.write_table(table(zeros), tmp_path / "zeros.parquet", compression="zstd")
    same = pa.array([encoded(image(0, (90, 90)))]).take(pa.array(np.zeros(9000, np.int64)))
    pq.write_table(pa.table({"image": same, "label": [0, 1] * 4500}), tmp_path / "same.parquet")

    for name, told in {"rows": "claims 1000000 rows", "zeros": "claims 2 rows and", "same": "unpacks to more"}.items():
        with pytest.raises(ValueError, match=f"{name}.parquet is not a sound file .*{told}"):
            opened(tmp_path, f"parquet:{name}.parquet").load("test")


def test_labels_that_are_missing_are_told(tmp_path):
    pq.write_table(table([encoded(image(i)) for i in (0, 1)], [0, None]), tmp_path / "a.parquet")

    with pytest.raises(ValueError, match="1 rows have no label"):
        opened(tmp_path, "parquet:a.parquet")
