"""Several inputs of a user's data: every form in which they may come, and each mistake as one line."""

import re

import numpy as np
import pytest
import torch

from robust.data.factory import open_data
from robust.data.tables import fit_tables

SOURCE = """
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

N = 6
IMAGE = np.linspace(0, 1, N * 8, dtype="float32").reshape(N, 1, 2, 4)
META = np.linspace(-2, 2, N * 3).reshape(N, 3)
IDS = np.arange(N) * 3
Y = np.arange(N) % 2
NAMED = {"image": IMAGE, "meta": META, "ids": IDS}

class Items(Dataset):
    def __len__(self):
        return N
    def __getitem__(self, k):
        return {name: torch.tensor(part[k]) for name, part in NAMED.items()}, int(Y[k])

class Placed(Items):
    def __getitem__(self, k):
        return (torch.tensor(IMAGE[k]), torch.tensor(META[k]), torch.tensor(IDS[k : k + 1])), int(Y[k])

class Uneven(Items):
    def __getitem__(self, k):
        parts, y = super().__getitem__(k)
        return ({"image": parts["image"]} if k == 4 else parts), y

def named(): return NAMED, Y
def tensors(): return {name: torch.tensor(part) for name, part in NAMED.items()}, torch.tensor(Y)
def placed(): return (IMAGE, META, IDS), Y
def arrays(): return IMAGE, META, IDS, Y
def items(): return Items()
def pairs(): return Placed()
def loader(): return DataLoader(Items(), batch_size=4)
def stream(): return (Items()[k] for k in range(N))
def tensor_set(): return TensorDataset(*map(torch.tensor, (IMAGE, META, IDS[:, None], Y)))
def pixels(): return {"image": (255 * IMAGE).astype("uint8"), "flags": IDS.astype("uint8")}, Y
def turned(): return {"image": np.zeros((N, 8, 9, 3), "float32"), "meta": META}, Y
def single(): return IMAGE, Y
def uneven_n(): return {"image": IMAGE, "meta": META[:4]}, Y
def fewer_labels(): return NAMED, Y[:5]
def uneven(): return Uneven()
def huge(): return {"meta": META, "ids": IDS + 2**25}, Y
def words(): return {"meta": META, "name": np.array(["a"] * N)}, Y
def spaced(): return {"the meta": META}, Y
def gaps(): return {"meta": np.where(META > 1, np.nan, META), "image": IMAGE}, Y
def empty(): return {}, Y
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("several")
    (path / "parts.py").write_text(SOURCE)
    return path


def load(folder, name, *, threat="meta=linf:0.1", options=":meta.lo=-2:meta.hi=2"):
    dataset = fit_tables(open_data(f"parts.py:{name}{options}", folder), [threat]).complete()
    return dataset, dataset.load("test")


@pytest.mark.parametrize("name", ["named", "tensors", "items", "loader", "stream"])
def test_parts_by_name_are_one_row_in_every_form(folder, name):
    dataset, samples = load(folder, name)
    parts = samples.layout.unpack(torch.from_numpy(samples.x))
    assert samples.layout.named
    assert [(part.name, part.shape, part.dtype) for part in samples.layout.parts] == [
        ("image", (1, 2, 4), "float32"), ("meta", (3,), "float32"), ("ids", (), "int64"),
    ]  # fmt: skip
    assert torch.equal(parts["ids"], torch.arange(6) * 3)
    assert parts["meta"].numpy() == pytest.approx(np.linspace(-2, 2, 18).reshape(6, 3), abs=1e-6)
    assert (dataset.lo, dataset.hi, dataset.shape) == (-2, 2, (12,))
    assert samples.take(np.array([1, 3])).layout == samples.layout


@pytest.mark.parametrize("name", ["placed", "arrays", "pairs", "tensor_set"])
def test_parts_by_position_are_numbered(folder, name):
    _, samples = load(folder, name, threat="1=linf:0.1", options=":1.lo=-2:1.hi=2")
    assert not samples.layout.named
    assert samples.layout.names == ("0", "1", "2")
    assert samples.x[:, -1].tolist() == [0, 3, 6, 9, 12, 15]


def test_pixels_are_divided_and_other_bytes_stay(folder):
    dataset, samples = load(folder, "pixels", threat="image=linf:0.1", options="")
    assert [part.dtype for part in samples.layout.parts] == ["float32", "uint8"]
    assert samples.x[-1, 7] == 1
    assert samples.x[:, -1].tolist() == [0, 3, 6, 9, 12, 15]
    assert "pixels, uint8, are divided by 255" in dataset.remarks.notes


def test_images_are_turned_in_each_part(folder):
    _, samples = load(folder, "turned")
    assert samples.layout.find("image").shape == (3, 8, 9)


def test_a_part_that_no_threat_model_changes_needs_no_bounds(folder):
    _, samples = load(folder, "named", threat="image=linf:0.1", options="")
    assert samples.x.min() == -2
    with pytest.raises(
        ValueError, match=r"the part meta of parts-named goes from -2 to 2, expected 0 to 1; .*:meta.lo=-2:meta.hi=2"
    ):
        load(folder, "named", options="")


def test_the_digest_knows_the_parts(folder):
    _, one = load(folder, "named", threat="image=linf:0.1", options="")
    _, other = load(folder, "placed", threat="0=linf:0.1", options="")
    assert np.array_equal(one.x, other.x)
    assert one.digest != other.digest


WRONG = {
    "uneven_n": "the part meta has 4 samples and image has 6; expected as many of each",
    "fewer_labels": "the part labels has 5 samples and image has 6",
    "uneven": "some items have other parts than image, meta, ids; give all of them the same",
    "huge": "the part ids has whole numbers above 16777216, which float32 cannot hold exactly",
    "words": "the part name is <U1, expected numbers",
    "spaced": "a part is called 'the meta', expected a name that a model's argument can have",
    "gaps": "the part meta of parts-gaps goes from nan to nan",
    "empty": "there are no inputs: the dict, or the tuple, is empty",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(folder, name):
    with pytest.raises(ValueError, match=re.escape(WRONG[name])) as caught:
        load(folder, name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (":met.lo=-2", "unknown part 'met', did you mean 'meta'?"),
        (":ids.hi=9", "the part ids is of whole numbers, which are fixed, so it needs no bounds"),
        (":meta.low=-2", "meta.low=-2: of a part of several inputs give its bounds, as meta.lo=-3:meta.hi=3"),
        (":meta.lo=3", "the part meta: lo must be below hi, got 3 and 1"),
    ],
)
def test_bounds_of_a_part_are_of_one_that_there_is(folder, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        load(folder, "named", options=options)


def test_one_input_has_no_bounds_of_parts(folder):
    with pytest.raises(ValueError, match="the bounds of meta are of a part, and there is one input; write lo= and hi="):
        open_data("parts.py:single:meta.lo=-2", folder).complete()
