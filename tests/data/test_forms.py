"""The door for data: each form holds the same samples, and says how they were taken, or is refused in one line."""

import numpy as np
import pytest

from robust.data.factory import open_data
from tests.plugin import forms_of_data
from tests.plugin.forms_of_data import PIXELS, TAKEN, X, Y

MODULE = "from tests.plugin.forms_of_data import *\n"


@pytest.fixture
def open_form(tmp_path):
    """Return a function that opens a form of data by its spec."""

    def open_form(table, name, options=""):
        entry = getattr(forms_of_data, table)[name]
        take = "[0]" if isinstance(entry, tuple) else ""
        (tmp_path / "data.py").write_text(f"{MODULE}def load():\n    return {table}[{name!r}]{take}()\n")
        return open_data(f"data.py:load{options}", tmp_path).complete()

    return open_form


@pytest.mark.parametrize("name", TAKEN)
def test_a_form_holds_the_same_samples_and_says_how_they_were_taken(open_form, name):
    data = open_form("TAKEN", name)
    samples = data.load("test")

    assert np.array_equal(samples.x, X)
    assert np.array_equal(samples.y, Y)
    assert data.widen(samples.y).classes == 10
    note = TAKEN[name][1]
    assert note in "; ".join(data.remarks.notes) if note else not data.remarks.notes


@pytest.mark.parametrize("name", PIXELS)
def test_pixels_of_8_bits_are_divided_by_255(open_form, name):
    samples = open_form("PIXELS", name).load("test")

    assert np.array_equal(samples.x, np.round(255 * X).astype(np.uint8) / np.float32(255))
    assert np.array_equal(samples.y, Y)


FRAME = "{'a': [0.1, 0.2], 'b': [True, False], 'label': [1, 0]}"
TABLE = f"import pandas as pd\ndef load():\n    table = pd.DataFrame({FRAME})\n"


@pytest.mark.parametrize(
    "returned",
    [
        "table",
        "table.drop(columns='label'), table.label",
        "table[['a', 'b']], table[['label']]",
        "{'features': table[['a', 'b']].to_numpy(float), 'target': table.label}",
    ],
)
def test_a_table_is_inputs_and_a_column_of_labels(tmp_path, returned):
    (tmp_path / "data.py").write_text(f"{TABLE}    return {returned}\n")
    samples = open_data("data.py:load", tmp_path).complete().load("test")

    assert np.allclose(samples.x, [[0.1, 1], [0.2, 0]])
    assert samples.y.tolist() == [1, 0]


def test_only_the_items_that_are_drawn_are_read(open_form, monkeypatch):
    items = forms_of_data.Items()
    monkeypatch.setitem(TAKEN, "items", (lambda: items, ""))
    open_form("TAKEN", "items").load("test", 5, 0)

    assert len({*items.read}) <= 6  # the five, and the first, which tells the shape


@pytest.mark.parametrize(("options", "classes"), [(":classes=12", 12), (":first=-2", 12), (":name=scans", 10)])
def test_options_of_a_users_data_set(open_form, options, classes):
    data = open_form("TAKEN", "arrays", options)
    data = data if data.classes else data.widen(data.load("test").y)

    assert data.classes == classes
    assert data.name == ("scans" if "name" in options else "data")
    assert np.array_equal(data.load("test").y, Y + 2 * ("first" in options))


def test_images_stay_as_they_are_where_the_user_says_so(open_form):
    data = open_form("TAKEN", "channels-last", ":turn=false")

    assert data.shape == (8, 8, 1)
    assert not data.remarks.notes


SPLITS = """
import numpy as np

X = {"train": np.zeros((7, 3)), "test": np.ones((5, 3))}
Y = {"train": np.arange(7) % 2, "test": np.arange(5) % 2}

def name_of(train):
    return "train" if train else "test"

def load(SIGNATURE):
    return X[SPLIT], Y[SPLIT]
"""


@pytest.mark.parametrize(
    ("signature", "split", "note"),
    [
        ("split", "split", ""),
        ("name", "name", ""),
        ("name='train'", "name", ""),
        ("*names", "names[0]", ""),
        ("train=True", "name_of(train)", "train=False"),
        ("root='data', train=True", "name_of(train)", "train=False"),
        ("is_train", "name_of(is_train)", "is_train=False"),
        ("*, train=True", "name_of(train)", "train=False"),
        ("test=False", "name_of(not test)", "test=True"),
        ("train='train'", "train", "train='test'"),
        ("root='data', split='train'", "split", "split='test'"),
        ("*, mode='train'", "mode", "mode='test'"),
        ("root='data', **options", "'test'", ""),
        ("root='data'", "'test'", ""),
        ("", "'test'", ""),
    ],
)
def test_a_function_is_asked_for_the_test_split_by_the_argument_that_it_has(tmp_path, signature, split, note):
    (tmp_path / "data.py").write_text(SPLITS.replace("SIGNATURE", signature).replace("SPLIT", split))
    data = open_data("data.py:load", tmp_path).complete()

    assert len(data.load("test")) == 5
    assert note in "; ".join(data.remarks.notes)
    if split == "'test'":
        with pytest.raises(ValueError, match="it gives no training split"):
            data.load("train")
    else:
        assert len(data.load("train")) == 7


@pytest.mark.parametrize("signature", ["root, name", "*, root"])
def test_a_function_that_needs_more_than_the_split_is_refused(tmp_path, signature):
    (tmp_path / "data.py").write_text(SPLITS.replace("SIGNATURE", signature).replace("SPLIT", "'test'"))

    with pytest.raises(ValueError, match="expected one argument, the split, or none"):
        open_data("data.py:load", tmp_path).complete()


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a.npz", "write npz:a.npz"),
        ("b.parquet", "write parquet:b.parquet"),
        ("c.csv", "read c.csv in a function, as data.py:load"),
        ("d.npy", "write npy:."),
        ("img", "write imagefolder:img"),
    ],
)
def test_a_path_alone_leads_to_the_spec(tmp_path, path, line):
    (tmp_path / path).mkdir() if "." not in path else (tmp_path / path).write_bytes(b"")

    with pytest.raises(ValueError, match=line):
        open_data(path, tmp_path)


def test_a_sparse_matrix_is_filled(tmp_path):
    returned = "csr_matrix([[0.1, 0], [0, 0.2]]), [0, 1]"
    (tmp_path / "data.py").write_text(f"from scipy.sparse import csr_matrix\ndef load():\n    return {returned}\n")

    assert np.allclose(open_data("data.py:load", tmp_path).complete().load("test").x, [[0.1, 0], [0, 0.2]])
