"""The groups of samples, from a CSV file or a column of a table; what is wrong with either is one line."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from robust.attacks.words import canonical_threat
from robust.data.dataset import Dataset, Samples
from robust.data.group_spec import GroupSpec
from robust.data.groups import GroupReader
from robust.data.remarks import Remarks

N = 6
TOML = """
eps = 0.1
[groups]
job = ["job=none", "job=temp"]
[features]
age = {lo = 0, hi = 90}
"job=none" = {type = "category"}
"job=temp" = {type = "category"}
"""
X = np.array([[30, 1, 0], [0.1, 0, 1], [np.nan, 1, 0], [30, 1, 0], [7, 0, 1], [7, 0, 1]], np.float32)
SAMPLES = Samples(X[[1, 2, 4]], np.zeros(3, np.int64), np.array([1, 2, 4]))


def read(tmp_path, option, content="", names=(), threats=(), samples=SAMPLES, check=False):
    (tmp_path / "a.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    dataset = Dataset("mine", None, 0.0, 90.0, 2, (3,), lambda split: (X, np.zeros(N)), remarks=Remarks(features=names))
    reader = GroupReader(GroupSpec.parse(option, tmp_path), dataset, threats)
    if check:
        reader.check(samples)
    return reader, reader.read(samples)


def test_a_file_has_a_row_for_each_sample_of_the_split_and_samples_find_theirs(tmp_path):
    content = "\ufeffid, sex ,x\n" + "".join(f'{k},"{"fm"[k % 2]} ",\n' for k in range(N)) + "\n\n"
    reader, groups = read(tmp_path, "a.csv:sex", content, check=True)

    assert (groups.column, groups.names, groups.codes.tolist()) == ("sex", ("f", "m"), [1, 0, 0])
    assert reader.provenance == {"text": "a.csv:sex", "sha256": hashlib.sha256(content.encode()).hexdigest()}


def test_numbers_are_in_their_order_and_before_words(tmp_path):
    _, groups = read(tmp_path, "a.csv:k", "k\n0\n10\n9\n0\nnone\n0\n")

    assert groups.names == ("0", "9", "10", "none")  # of the whole file, also where no sample was drawn
    assert groups.codes.tolist() == [2, 1, 3]


def test_a_column_of_the_data_is_read_by_its_name_and_a_one_hot_group_is_a_column(tmp_path):
    (tmp_path / "t.toml").write_text(TOML)
    table = (canonical_threat("features:t.toml", tmp_path),)
    _, age = read(tmp_path, "age", threats=table)
    reader, job = read(tmp_path, "job", threats=table)
    _, named = read(tmp_path, "age", names=("age", "a", "b"))

    assert (age.names, age.codes.tolist()) == (("0.1", "7", "missing"), [0, 2, 1])
    assert (job.names, job.codes.tolist()) == (("job=none", "job=temp"), [1, 0, 1])
    assert named.names == age.names
    assert reader.provenance == {"text": "job"}


ROWS = "".join(f"{k}\n" for k in range(N))


@pytest.mark.parametrize(
    ("option", "content", "word"),
    [
        ("b.csv:sex", "", "no such file"),
        ("a.csv", "", "as a.csv:sex"),
        ("a.csv:", "", "as a.csv:sex"),
        ("a.csv:sex", "", "is empty"),
        ("a.csv:sex", "sexe\n" + ROWS, "did you mean 'sexe'"),
        ("a.csv:sex", "id;sex\n0;f\n", "are separated by ';'; separate them by commas"),
        ("a.csv:sex", "id\tsex\n0\tf\n", "separate them by commas"),
        ("a.csv:k", "k,k\n", "has the column 'k' 2 times"),
        ("a.csv:k", "k\n0\n1\n", "has 2 rows below its header, and the test split of mine has 6 samples"),
        ("a.csv:k", "k\n0\n\n2\n3\n4\n5\n", "row 3 of a.csv has no value in the column 'k'"),
        ("a.csv:k", "i,k\n0, \n1,1\n", "row 2 of a.csv has no value"),
        ("a.csv:k", "i,k\n0,1\n1\n", "row 3 of a.csv has 1 cells, and its header 2"),
        ("a.csv:k", b"k\n\xff\n", "is no CSV"),
        ("a.csv:k", 'k\n"a\n', "is no CSV"),
        ("a.csv:k", "k\n" + "a\n" * N, "all 3 samples are of one group, 'a'"),
        ("age", "", "has no columns with names; write FILE.csv:COLUMN"),
        ("a.txt:sex", "", "has no columns with names"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, option, content, word):
    with pytest.raises(ValueError, match=word.replace(".", r"\.")) as caught:
        read(tmp_path, option, content, check=True)
    assert "\n" not in str(caught.value)


def test_more_groups_than_anybody_reads_are_refused(tmp_path):
    x = np.arange(3003, dtype=np.float32).reshape(1001, 3)
    samples = Samples(x, np.zeros(1001, np.int64), np.arange(1001))

    with pytest.raises(ValueError, match=r"1,001 different values, expected at most 1,000"):
        read(tmp_path, "age", names=("age", "b", "c"), samples=samples)


def test_columns_that_are_not_there_and_rows_that_are_not_one_hot_are_refused(tmp_path):
    (tmp_path / "t.toml").write_text(TOML)
    table = (canonical_threat("features:t.toml", tmp_path),)

    with pytest.raises(ValueError, match=r"has no column 'jobs', did you mean 'job'"):
        read(tmp_path, "jobs", threats=table)
    with pytest.raises(ValueError, match=r"1 of 3 rows have not exactly one 1 in the columns of job"):
        read(tmp_path, "job", threats=table, samples=replace(SAMPLES, x=SAMPLES.x * [[1, 1, 0], [1, 1, 1], [1, 1, 1]]))
