"""Users' arrays: npz:FILE and FILE.py:FUNCTION."""

import numpy as np
import pytest
import torch

from robust.data.factory import open_data

X = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 2, 2)
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def npz(tmp_path):
    """Return a function that writes arrays and opens them by their spec."""

    def write(options="", **arrays):
        np.savez(tmp_path / "mine.npz", **arrays)
        return open_data(f"npz:mine.npz{options}", tmp_path).complete()

    return write


@pytest.fixture
def function(tmp_path):
    """Return a function that writes data.py and opens its function `load`."""

    def write(body, options=""):
        (tmp_path / "data.py").write_text(f"import numpy as np\nimport torch\n\n{body}\n")
        return open_data(f"data.py:load{options}", tmp_path)

    return write


@pytest.mark.parametrize("names", [("x", "y"), ("x_test", "y_test")])
def test_arrays_of_a_file_are_the_test_split(npz, names):
    data = npz(**dict(zip(names, (X, Y), strict=True)))
    samples = data.load("test")

    assert (data.name, data.classes, data.shape, data.threat) == ("mine", 3, (2, 2), None)
    assert np.array_equal(samples.x, X)
    assert np.array_equal(samples.y, Y)
    assert (samples.x.dtype, samples.y.dtype) == (np.float32, np.int64)


def test_pixels_are_divided_by_255_and_floats_are_not():
    from robust.data.user_inputs import UserInputs

    rows = np.array([1, 3])
    pixels = (255 * X).astype(np.uint8)
    assert np.array_equal(UserInputs(pixels)[rows], (pixels[rows] / 255).astype(np.float32))
    assert np.array_equal(UserInputs(X.astype(np.float64))[rows], X[rows])


def test_both_splits_and_labels_in_a_column(npz):
    data = npz(x_train=X[:4], y_train=Y[:4, None], x_test=X[4:], y_test=Y[4:, None])

    assert np.array_equal(data.load("train").y, Y[:4])
    assert np.array_equal(data.load("test").x, X[4:])


def test_bounds_and_classes_are_the_users_to_tell(npz):
    data = npz(":lo=-1:hi=2:classes=7", x=2 * X - 0.5, y=Y)

    assert (data.lo, data.hi, data.classes) == (-1.0, 2.0, 7)
    assert len(data.load("test")) == 6


@pytest.mark.parametrize(
    ("options", "arrays", "message"),
    [
        ("", {"x": X}, "holds x; expected x_test and y_test or x and y"),
        ("", {"x": X, "y": Y[:5]}, "has 6 inputs and 5 labels"),
        ("", {"x": X, "y": np.stack([Y, Y], 1)}, "say what is a right answer: --robust-criterion=within:T for values"),
        ("", {"x": X, "y": Y - 1}, "labels from -1 to 1"),
        (":classes=2", {"x": X, "y": Y}, "labels from 0 to 2, expected 0 to 1"),
        ("", {"x": 2 * X, "y": Y}, "from 0 to 2, expected .* from 0 to 1; divide by 2 .* declare .* as :lo=0:hi=2$"),
        ("", {"x": 3 * X - 1, "y": Y}, "from -1 to 2, .*; give .* as --robust-normalize, or .*, as :lo=-1:hi=2$"),
        (
            ":hi=2",
            {"x": 3 * X, "y": Y},
            "from 0 to 3, expected .* 0 to 2; declare their bounds, .*, as :lo=0:hi=3$",
        ),
        ("", {"x": X * np.nan, "y": Y}, "from nan to nan"),
        ("", {"x": X.astype(str), "y": Y}, "the inputs are <U32"),
        ("", {"x": X[:, 0, 0], "y": Y}, "the inputs are float32 of shape"),
        ("", {"x": X[:0], "y": Y[:0]}, "has no test samples"),
        (":classes=1", {"x": X, "y": Y}, "classes must be at least 2"),
        (":lo=1", {"x": X, "y": Y}, "lo must be below hi"),
        (":size=3", {"x": X, "y": Y}, "no option 'size'"),
    ],
)
def test_what_is_wrong_with_a_file_is_reported(npz, options, arrays, message):
    with pytest.raises(ValueError, match=message):
        npz(options, **arrays).load("test")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_reported(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)

    with pytest.raises(ValueError, match=r"mine\.npz is not a sound file"):
        open_data("npz:mine.npz", tmp_path).complete()


def test_only_the_rows_that_are_drawn_are_read(npz):
    data = npz(x=X, y=Y)
    drawn = data.load("test", 3, seed=5)
    chosen, _ = data.load("test").draw(3, 5)

    assert np.array_equal(drawn.index, chosen.index)
    assert np.array_equal(drawn.x, chosen.x)
    with pytest.raises(ValueError, match="mine has 6 test samples, 7 were asked for"):
        data.load("test", 7)


ARRAYS = "    return np.ones((4, 2), np.float32) / 2, np.array([0, 1, 0, 1])"


@pytest.mark.parametrize(
    "body",
    [
        f"def load(split):\n{ARRAYS}",
        f"def load():\n{ARRAYS}",
        "def load():\n    return torch.full((4, 2), 0.5), torch.tensor([0, 1, 0, 1])",
        "def load():\n    return [[0.5, 0.5]] * 4, [0, 1, 0, 1]",
        "from torch.utils.data import TensorDataset\n\ndef load(split):\n"
        "    return TensorDataset(torch.full((4, 2), 0.5), torch.tensor([0, 1] * 2))",
        "class Mine:\n    def __len__(self): return 4\n    def __getitem__(self, i): "
        "return torch.full((2,), 0.5), i % 2"
        "\n\ndef load():\n    return Mine()",
    ],
)
def test_a_function_may_return_what_people_have(function, body):
    samples = function(body).complete().load("test")

    assert samples.x.tolist() == [[0.5, 0.5]] * 4
    assert samples.y.tolist() == [0, 1, 0, 1]


SPLITS = """def load(split):
    n = {"train": 5, "test": 3}[split]
    return np.zeros((n, 2)), np.arange(n) % 2
"""


def test_a_function_is_reported_the_split(function):
    data = function(SPLITS)

    assert [len(data.complete().load(split)) for split in ("train", "test")] == [5, 3]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def lod(): pass", "data.py has no 'load', did you mean 'lod'"),
        ("def load():\n    return None", r"returned NoneType, expected \(inputs, labels\)"),
        (
            "def load():\n    return {'x': 1}",
            "the mapping has x; expected an input as 'image' or 'x' and a label as 'label' or 'y'",
        ),
        ("def load():\n    raise KeyError('x')", r"failed: KeyError: 'x' \(data.py, line 5\)"),
        ("def load():\n    return 'ab', [1, 2]", "the inputs are <U2"),
    ],
)
def test_what_is_wrong_with_a_function_is_reported(function, body, message):
    with pytest.raises((ValueError, LookupError), match=message):
        function(body).complete()


def test_a_function_without_an_argument_gives_nothing_to_train_on(function):
    data = function(f"def load():\n{ARRAYS}").complete()

    with pytest.raises(ValueError, match="gives no training split; let it take `split`"):
        data.load("train")


def test_a_word_opens_what_it_names(tmp_path):
    with pytest.raises(LookupError, match="unknown data set 'mnst', did you mean 'mnist'"):
        open_data("mnst", tmp_path)
    with pytest.raises(ValueError, match=r"no such file \(looked for .*gone.npz\)"):
        open_data("npz:gone.npz", tmp_path)
    with pytest.raises(ValueError, match="write npz:FILE"):
        open_data("npz", tmp_path)
    (tmp_path / "data.py").write_text("")
    with pytest.raises(ValueError, match="name the function"):
        open_data("data.py", tmp_path)
    assert open_data("digits", tmp_path).shape == (1, 8, 8)


def test_a_batch_of_a_tensor_is_what_the_array_is():
    from robust.data.user_inputs import UserInputs

    assert np.array_equal(UserInputs(torch.from_numpy(X))[np.array([2])], X[2:3])
