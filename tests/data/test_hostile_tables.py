"""Damaged and hostile tables of images: each is refused in one line."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.test_image_tables import encoded, image, open_table, table, write_state


def stream(folder, batches):
    """Write a folder as save_to_disk does, of these record batches."""
    folder.mkdir()
    write_state(folder, "data.arrow")
    with pa.OSFile(str(folder / "data.arrow"), "wb") as file, pa.ipc.new_stream(file, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return folder / "data.arrow"


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
@pytest.mark.parametrize("damage", ["cut", "bent", "emptied", "swapped"])
def test_a_damaged_file_is_reported_in_one_line(tmp_path, kind, damage):
    rows = table([encoded(image(i)) for i in range(20)], [i % 2 for i in range(20)])
    if kind == "arrow":
        path, spec = stream(tmp_path / "a", rows.to_batches()), "hf:a"
    else:
        path, spec = tmp_path / "a.parquet", "parquet:a.parquet"
        pq.write_table(rows, path)
    content = path.read_bytes()
    middle = len(content) // 2
    bent = content[:40] + bytes(byte ^ 255 for byte in content[40:200]) + content[200:]
    changed = {"cut": content[:middle], "bent": bent, "emptied": b"", "swapped": b"PAR1" + content[::-1]}
    path.write_bytes(changed[damage])

    with pytest.raises(ValueError, match=r"is not a sound (file of Arrow or parquet|image)") as error:
        open_table(tmp_path, spec).load("test")
    assert "\n" not in str(error.value)


def test_offsets_that_point_elsewhere_in_memory_are_refused(tmp_path):
    path = stream(tmp_path / "a", table([b"x" * 4, b"y" * 4]).to_batches())
    sound, wild = (np.array([0, middle, 8], np.int32).tobytes() for middle in (4, 2**30))
    assert path.read_bytes().count(sound) == 1
    path.write_bytes(path.read_bytes().replace(sound, wild))

    with pytest.raises(ValueError, match="is not a sound file of Arrow"):
        open_table(tmp_path, "hf:a")


def test_a_file_that_claims_or_unpacks_to_more_than_it_can_hold_is_refused(tmp_path):
    many = pa.array(np.zeros(10**6, np.int64))  # run lengths: a few bytes
    pq.write_table(pa.table({"image": pa.array([b""]).take(many), "label": many}), tmp_path / "rows.parquet")
    zeros = [bytes(2**25), bytes(2**25)]
    pq.write_table(table(zeros), tmp_path / "zeros.parquet", compression="zstd")
    same = pa.array([encoded(image(0, (90, 90)))]).take(pa.array(np.zeros(9000, np.int64)))
    pq.write_table(pa.table({"image": same, "label": [0, 1] * 4500}), tmp_path / "same.parquet")

    for name, message in {
        "rows": "claims 1000000 rows",
        "zeros": "claims 2 rows and",
        "same": "unpacks to more",
    }.items():
        with pytest.raises(ValueError, match=f"{name}.parquet is not a sound file .*{message}"):
            open_table(tmp_path, f"parquet:{name}.parquet").load("test")


def test_labels_that_are_missing_are_reported(tmp_path):
    pq.write_table(table([encoded(image(i)) for i in (0, 1)], [0, None]), tmp_path / "a.parquet")

    with pytest.raises(ValueError, match="1 rows have no label"):
        open_table(tmp_path, "parquet:a.parquet")


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_compressed_stream_is_held_to_its_size_before_it_is_unpacked(tmp_path, codec):
    honest = table([encoded(image(i)) for i in range(20)], [i % 2 for i in range(20)])
    bomb = table([bytes(2**25), bytes(2**25)])
    for name, rows in (("honest", honest), ("bomb", bomb)):
        (tmp_path / name).mkdir()
        write_state(tmp_path / name, "data.arrow")
        options = pa.ipc.IpcWriteOptions(compression=codec)
        path = str(tmp_path / name / "data.arrow")
        with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, rows.schema, options=options) as writer:
            writer.write_table(rows)

    assert len(open_table(tmp_path, "hf:honest").load("test")) == 20
    before = pa.total_allocated_bytes()
    with pytest.raises(ValueError, match=r"data.arrow is not a sound file .*it unpacks to \d+ bytes, in a file of"):
        open_table(tmp_path, "hf:bomb")
    assert pa.total_allocated_bytes() - before < 2**20
